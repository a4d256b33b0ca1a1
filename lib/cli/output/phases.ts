import { doingOf, type RunRecord } from '../../runs/model.js';

/** The width of most phase descriptions, so that the bar does not move. */
const WIDTH = 30;

/** The description of a run's phase, padded to a column. */
export function paddedDoing(run: Pick<RunRecord, 'doing' | 'phase'>): string {
  return doingOf(run).padEnd(WIDTH);
}

/** Until when a run waits, and why: `waits until 2026-11-22 08:00 UTC: ...`. */
export function waitingWords({ error, resumeAt }: Pick<RunRecord, 'error' | 'resumeAt'>): string {
  const until = resumeAt === null ? 'a while' : `until ${resumeAt.slice(0, 16).replace('T', ' ')} UTC`;
  return error === null ? `waits ${until}` : `waits ${until}: ${error.message}`;
}

/** The warning about a run without progress for a minute: what is known, and what to do. */
export function silenceWords({ attempts, id, lastError, nextAttemptAt }: RunRecord): string {
  const what =
    attempts === 0
      ? `run ${id} has not started: no message of the queue has arrived for a minute`
      : `run ${id} has made no progress for a minute`;
  const why = lastError === null ? '' : `; its last error, at ${lastError.at}: ${lastError.code}: ${lastError.message}`;
  const next = nextAttemptAt === null ? '' : `; the next attempt begins at ${nextAttemptAt} at the latest`;
  const remedy = '`npx soulcaster-backup doctor --env-file .env` checks whether the queue reaches PUBLIC_URL';
  return `warning: ${what}${why}${next}. ${remedy}; \`npx soulcaster-backup cancel ${id} --env-file .env\` ends the run.`;
}
