/** `jsonl`: to be read back; `resp`: for `redis-cli --pipe`; `upstash`: a body for POST /pipeline on each line. */
export const EXPORT_FORMATS = ['jsonl', 'resp', 'upstash'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** What a number in `ttl` means: time left in seconds or milliseconds, or the time it expires since the epoch. */
export const TTL_UNITS = ['seconds', 'milliseconds', 'unix-seconds', 'unix-milliseconds'] as const;
export type TtlUnit = (typeof TTL_UNITS)[number];
