import type { Check, Status } from '../api/types.js';
import { Age } from '../parts/age.js';
import { Badge } from '../parts/badge.js';
import type { Tone } from '../words/tone.js';

const TONES: Readonly<Record<Check['status'], readonly [Tone, string]>> = {
  ok: ['good', 'works'],
  warn: ['warn', 'warning'],
  fail: ['bad', 'fails'],
  skipped: ['plain', 'not set'],
};
const ORDER: readonly Check['status'][] = ['fail', 'warn', 'ok', 'skipped'];

/** What the guard found when it last tried every credential; what fails comes first. */
export function Credentials({ status }: { readonly status: Status }) {
  const { checkedAt, checks } = status.credentials;
  const sorted = [...checks].sort((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status));
  return (
    <>
      {sorted.length === 0 && <p class="empty">The guard has not tried them yet.</p>}
      <ul class="checks">
        {sorted.map((check) => (
          <li key={check.name}>
            <p class="check-title">
              <strong>{check.name}</strong> <Badge tone={TONES[check.status][0]}>{TONES[check.status][1]}</Badge>
            </p>
            <p class="hint">{check.detail}</p>
            {check.hint !== null && check.status !== 'ok' && <p>{check.hint}</p>}
          </li>
        ))}
      </ul>
      <p class="meta">
        {checkedAt !== null && (
          <>
            Tried <Age at={checkedAt} />.{' '}
          </>
        )}
        {status.guard.lastRunAt !== null && (
          <>
            The guard last ran <Age at={status.guard.lastRunAt} />
            {status.guard.outcome === null ? '' : ` (${status.guard.outcome})`}.
          </>
        )}
      </p>
    </>
  );
}
