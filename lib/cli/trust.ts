import type { Environment } from '../app/config.js';
import { connect } from '../app/connect.js';
import { protectedDatabase } from '../app/connect/database.js';
import type { PassedOver } from '../snapshot/latest.js';
import { passedOverWords, selectSnapshot } from '../snapshot/select.js';
import { trustContext, type TrustContext } from '../snapshot/trust.js';
import type { Context } from './context.js';
import { printable } from './output/format.js';

/** This many snapshots that were passed over are named. */
const NAMED = 3;

/** What snapshots are judged by, as the configuration says it. */
export function connectedTrust(context: Context, env: Environment = context.env): Promise<TrustContext> {
  const ports = connect(env, ['clock', 'signer', 'store'], { log: context.log });
  return trustContext(ports, protectedDatabase(env).source);
}

/** The id of the snapshot that was asked for; which newer ones `latest` passed over goes to the standard error. */
export async function chosenSnapshot(context: Context, trust: TrustContext, wanted: string): Promise<string> {
  const { id, passedOver } = await selectSnapshot(trust, wanted);
  notePassedOver(context, id, passedOver);
  return id;
}

export function notePassedOver(context: Context, id: string, passedOver: readonly PassedOver[]): void {
  if (passedOver.length === 0) return;
  const lines = passedOver.slice(0, NAMED).map((each) => `  ${printable(passedOverWords(each))}`);
  const more = passedOver.length > NAMED ? [`  and ${passedOver.length - NAMED} more: see \`snapshots list\``] : [];
  context.note([`latest is ${id}; newer ones were passed over:`, ...lines, ...more].join('\n'));
}
