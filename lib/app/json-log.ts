import type { Log, LogFields } from '../ports/index.js';

/** Writes one JSON object per line, with time, level and event. */
export function jsonLog(write: (line: string) => void): Log {
  const logAt =
    (level: string) =>
    (event: string, fields: LogFields = {}): void =>
      write(`${JSON.stringify({ time: new Date().toISOString(), level, event, ...fields })}\n`);
  return { info: logAt('info'), warn: logAt('warn'), error: logAt('error') };
}

/** Logs nothing: for callers that report their results themselves. */
export function silentLog(): Log {
  const ignore = (): void => undefined;
  return { info: ignore, warn: ignore, error: ignore };
}
