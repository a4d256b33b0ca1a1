/**
 * Upstash refuses requests over 10 MB (upstash.com/docs/redis/troubleshooting/max_request_size_exceeded). Sizes here are
 * those of `wireBytes`; JSON escapes blow a text up to six times at the worst, so a page stays below that limit anyway.
 */
export const PAGE_BYTES = 1024 * 1024;
/** Elements of a page, over all of its commands. */
export const PAGE_ELEMENTS = 2000;
/** Elements a command: pairs of a hash count once, and a script can unpack no more than 7,000 arguments. */
export const COMMAND_ELEMENTS = 1000;

/** What ordinary records are gathered to: one transaction, which blocks the database's other clients. */
export const BATCH_BYTES = 384 * 1024;
export const BATCH_KEYS = 500;

/** What a process that died leaves behind goes away by itself after so long. */
export const STAGED_TTL_MS = 24 * 60 * 60 * 1000;
