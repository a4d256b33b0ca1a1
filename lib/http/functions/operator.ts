import { operator } from '../operator.js';

/** All requests of operators; vercel.json routes every path under /api without a function here. */
export const GET = operator;
export const POST = operator;
