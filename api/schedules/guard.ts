export { POST } from '../../dist/bundle/functions/schedules/guard.js';
