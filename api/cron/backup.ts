export { GET } from '../../dist/bundle/functions/cron/backup.js';
