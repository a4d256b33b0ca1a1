import { operator } from '../operator.js';

/** All requests of operators; vercel.json leads every path under /api here that has no function. */
export const GET = operator;
export const POST = operator;
