/** `jsonl`: for a later import; `resp`: for `redis-cli --pipe`; `upstash`: one body for POST /pipeline per line. */
export const EXPORT_FORMATS = ['jsonl', 'resp', 'upstash'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** Unit of a number in `ttl`: remaining time in seconds or milliseconds, or the time of expiry since the epoch. */
export const TTL_UNITS = ['seconds', 'milliseconds', 'unix-seconds', 'unix-milliseconds'] as const;
export type TtlUnit = (typeof TTL_UNITS)[number];
