import { doingOf, type RunRecord } from '../../runs/model.js';

/** As wide as most of what a run says that it does, so that a bar stays in its place. */
const WIDTH = 30;

/** What a run does, in a separate column. */
export function paddedDoing(run: Pick<RunRecord, 'doing' | 'phase'>): string {
  return doingOf(run).padEnd(WIDTH);
}

/** Until when a run waits, and for what: `waits until 2026-11-22 08:00 UTC: ...`. */
export function waitingWords({ error, resumeAt }: Pick<RunRecord, 'error' | 'resumeAt'>): string {
  const until = resumeAt === null ? 'a while' : `until ${resumeAt.slice(0, 16).replace('T', ' ')} UTC`;
  return error === null ? `waits ${until}` : `waits ${until}: ${error.message}`;
}

/** A run of which nothing was heard for a minute: what is known, and what to do. */
export function silenceWords({ attempts, id, lastError, nextAttemptAt }: RunRecord): string {
  const what =
    attempts === 0
      ? `run ${id} has not begun: no message of the queue has arrived for a minute`
      : `run ${id} has not been heard of for a minute`;
  const why = lastError === null ? '' : `; its last error, at ${lastError.at}: ${lastError.code}: ${lastError.message}`;
  const next = nextAttemptAt === null ? '' : `; the next attempt begins at ${nextAttemptAt} at the latest`;
  const cure = '`npx soulcaster-backup doctor --env-file .env` tries whether the queue reaches PUBLIC_URL';
  return `warning: ${what}${why}${next}. ${cure}; \`npx soulcaster-backup cancel ${id} --env-file .env\` ends the run.`;
}
