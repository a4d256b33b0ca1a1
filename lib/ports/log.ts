/** Fields that may be logged: names, counts, durations. Never a secret, never a value from the database. */
export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

/** Structured log: one event name in kebab-case and its fields. Implementations never throw. */
export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}
