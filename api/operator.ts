export { GET, POST } from '../dist/bundle/functions/operator.js';
