/**
 * Upstash refuses requests over 10 MB (upstash.com/docs/redis/troubleshooting/max_request_size_exceeded). Sizes here
 * are those of `wireBytes`; JSON escaping lengthens a text up to six times, so a page stays below the limit.
 */
export const PAGE_BYTES = 1024 * 1024;
/** Elements of a page, in all of its commands. */
export const PAGE_ELEMENTS = 2000;
/** Elements of a command: a pair of a hash counts once, and a script can unpack at most 7,000 arguments. */
export const COMMAND_ELEMENTS = 1000;

/** The size of a batch of ordinary records: one transaction, which blocks the database's other clients. */
export const BATCH_BYTES = 384 * 1024;
export const BATCH_KEYS = 500;

/** Expiry of staged keys, which a process that dies leaves behind. */
export const STAGED_TTL_MS = 24 * 60 * 60 * 1000;
