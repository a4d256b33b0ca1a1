import { Problem } from '../parts/problem.js';
import { Sign } from '../parts/badge.js';
import { useDesk } from '../state/desk.js';
import { isStale } from '../state/feed.js';
import { useNow } from '../state/now.js';
import { EVERY } from '../state/use-desk.js';
import { ago } from '../words/format.js';
import { verdictOf } from '../words/verdict.js';
import { Objectives } from './objectives.js';

/** The answer to the one question, how old that answer is, and the two objectives. */
export function Overview() {
  const { projects, status, refresh } = useDesk();
  const now = useNow();
  const old = status.at !== null && (status.error !== null || isStale(status, EVERY.status, now));
  const verdict = verdictOf(status, old, projects.data);
  return (
    <section class={`overview ${verdict.tone}`} aria-label="Overview">
      <div class="verdict">
        <p class="headline" role="status">
          <Sign tone={verdict.tone} /> {verdict.headline}
        </p>
        <p class="detail">{verdict.detail}</p>
        {status.at !== null && (
          <p class={old ? 'as-of stale' : 'as-of'}>
            as of {new Date(status.at).toISOString().slice(11, 19)} UTC ({ago(now - status.at)})
          </p>
        )}
      </div>
      {status.error !== null && (
        <Problem title="The status cannot be refreshed" error={status.error} onRetry={refresh.status} />
      )}
      {status.data !== null && <Objectives status={status.data} />}
    </section>
  );
}
