import type { Environment } from '../app/config.js';
import { connect, type Replacements } from '../app/connect.js';
import { connectTrust } from '../app/connect/database.js';
import type { PassedOver } from '../snapshot/latest.js';
import { passedOverWords, selectSnapshot } from '../snapshot/select.js';
import type { TrustContext } from '../snapshot/trust.js';
import type { Context } from './context.js';
import { printable } from '../snapshot/ledger.js';

/** How many of the passed-over snapshots are listed. */
const MAX_NAMED = 3;

/** The context in which the trust of snapshots is evaluated, as configured. */
export function openTrust(context: Context, env: Environment = context.env): Promise<TrustContext> {
  return connectTrust(env, connect(env, ['clock', 'signer', 'store'], { log: context.log }));
}

/** The id of the wanted snapshot. Newer snapshots that `latest` passed over are listed on the standard error. */
export async function chooseSnapshot(context: Context, trust: TrustContext, wanted: string): Promise<string> {
  const { id, passedOver } = await selectSnapshot(trust, wanted);
  notePassedOver(context, id, passedOver);
  return id;
}

/** For a run on the second store: the first store, in which a restore is marked as well. */
export function firstStoreOf(context: Context): NonNullable<Replacements['firstStore']> {
  return {
    env: context.env,
    onNotMarked: (why) =>
      context.note(
        `warning: the first store could not be marked: ${printable(why)}. While this restore is unfinished, status and guard do not show it there, and a backup into it may become \`latest\`: pause the schedules until it is done.`,
      ),
    onErasuresUnread: (why) =>
      context.note(
        `warning: the erasure list of the first store was not read: ${printable(why)}. Data added to that list since the last replication are restored: run \`npx soulcaster-backup erasures list --env-file .env\` when the first store can be reached.`,
      ),
  };
}

export function notePassedOver(context: Context, id: string, passedOver: readonly PassedOver[]): void {
  if (passedOver.length === 0) return;
  const lines = passedOver.slice(0, MAX_NAMED).map((each) => `  ${printable(passedOverWords(each))}`);
  const more =
    passedOver.length > MAX_NAMED
      ? [
          `  and ${passedOver.length - MAX_NAMED} more: \`npx soulcaster-backup snapshots list --env-file .env\` shows them`,
        ]
      : [];
  context.note([`latest is ${id}; newer ones were passed over:`, ...lines, ...more].join('\n'));
}
