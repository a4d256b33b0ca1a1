export { POST } from '../dist/bundle/functions/tasks.js';
