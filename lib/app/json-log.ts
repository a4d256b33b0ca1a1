import type { Log, LogFields } from '../ports/log.js';

/** One JSON object a line, with time, level and event, to `write` (the standard error, as a rule). */
export function jsonLog(write: (line: string) => void): Log {
  const at =
    (level: string) =>
    (event: string, fields: LogFields = {}): void =>
      write(`${JSON.stringify({ time: new Date().toISOString(), level, event, ...fields })}\n`);
  return { info: at('info'), warn: at('warn'), error: at('error') };
}

/** Says nothing: for commands that show their progress themselves. */
export function silentLog(): Log {
  const nothing = (): void => undefined;
  return { info: nothing, warn: nothing, error: nothing };
}
