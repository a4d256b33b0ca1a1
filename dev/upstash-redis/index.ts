export { startUpstashRedis, type UpstashRedisOptions, type UpstashRedisStandIn } from './server.js';
