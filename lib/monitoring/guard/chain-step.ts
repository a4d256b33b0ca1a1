import type { Ports } from '../../ports/index.js';
import { timeOfId } from '../../runs/ids.js';
import { snapshotIds } from '../../snapshot/catalog.js';
import { checkChain } from '../../snapshot/chain.js';
import type { Finding } from '../alerts/condition.js';
import type { Summary } from './parts.js';

/** This many findings an alert names. */
const NAMED = 5;

/** Looks at the chain of all snapshots. */
export async function chainStep(
  ports: Pick<Ports, 'signer' | 'store'>,
): Promise<Finding & { readonly summary: Summary }> {
  const findings = await checkChain(ports);
  const newest = (await snapshotIds(ports.store)).at(-1) ?? '';
  const isWholeSince = !findings.some(({ detail, subject }) => detail.includes(newest) || subject.includes(newest));
  const named = findings.slice(0, NAMED).map(({ code, subject }) => `${code} ${subject}`);
  const more = findings.length > NAMED ? ` and ${findings.length - NAMED} more` : '';
  const condition = {
    code: 'chain-broken',
    subject: 'chain',
    message: `Snapshots were altered or removed: ${named.join('; ')}${more}`,
    hint: 'See who writes to the bucket. Bring back older versions of what is named, or take a snapshot now and rely on that.',
    // An alert that was told ends with a snapshot taken after it, on which nobody has laid hands.
    ...(newest !== '' && isWholeSince ? { endsWith: timeOfId(newest) } : {}),
  } as const;
  return {
    summary: { findings: findings.length },
    conditions: findings.length === 0 ? [] : [condition],
    evaluated: new Set(['chain-broken']),
  };
}
