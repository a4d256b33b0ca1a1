export { GET } from '../../dist/bundle/functions/cron/guard.js';
