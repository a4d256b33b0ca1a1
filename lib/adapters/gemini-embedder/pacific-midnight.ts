const HOUR_MS = 3_600_000;

/**
 * Milliseconds from `now` (since the epoch) until the next midnight in Pacific time, when Gemini renews daily quotas
 * (https://ai.google.dev/gemini-api/docs/rate-limits).
 */
export function msUntilPacificMidnight(now: number): number {
  const today = pacificTime(now);
  // Midnight is 08:00 UTC, and an hour earlier in summer. The clocks are changed at two, so midnight itself is plain.
  const inWinter = Date.UTC(today.year, today.month - 1, today.day + 1, 8);
  const midnight = pacificTime(inWinter).hour === 0 ? inWinter : inWinter - HOUR_MS;
  return midnight - now;
}

function pacificTime(at: number): { year: number; month: number; day: number; hour: number } {
  const pacific = new Intl.DateTimeFormat('en-US', {
    timeZone: 'America/Los_Angeles',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
  });
  const parts = pacific.formatToParts(at);
  const number = (type: Intl.DateTimeFormatPartTypes): number =>
    Number(parts.find((part) => part.type === type)?.value);
  return { year: number('year'), month: number('month'), day: number('day'), hour: number('hour') };
}
