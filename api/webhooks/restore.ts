export { POST } from '../../dist/bundle/functions/webhooks/restore.js';
