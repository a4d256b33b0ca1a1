import { connect } from '../../app/connect.js';
import { protectedDatabase, deploymentOf } from '../../app/connect/database.js';
import { forgetSnapshot, pinSnapshot, unpinSnapshot } from '../../retention/prune/forget.js';
import { selectSnapshot } from '../../snapshot/select.js';
import type { Context } from '../context.js';
import { bytes, counted, printable } from '../output/format.js';
import { storeEnvironment } from '../store-choice.js';
import { connectedTrust } from '../trust.js';
import { userName } from './accept.js';

export interface PinOptions {
  readonly reason: string;
}

/** `snapshots pin`: no prune removes it until it is unpinned. */
export async function pin(context: Context, wanted: string, { reason }: PinOptions): Promise<number> {
  const trust = await connectedTrust(context);
  const { id } = await selectSnapshot(trust, wanted);
  const word = await pinSnapshot(trust, id, { by: userName(), reason });
  context.document({ ...word, pinned: true, deployment: deploymentOf(context.env) });
  context.print(`Snapshot ${id} is pinned: ${printable(word.reason)}. No prune removes it.`);
  return 0;
}

/** `snapshots unpin`: the policy decides again. */
export async function unpin(context: Context, wanted: string): Promise<number> {
  const trust = await connectedTrust(context);
  const { id } = await selectSnapshot(trust, wanted);
  const changed = await unpinSnapshot(trust, id);
  context.document({ id, pinned: false, changed, deployment: deploymentOf(context.env) });
  context.print(changed ? `Snapshot ${id} is no longer pinned.` : `Nothing to do: snapshot ${id} is not pinned.`);
  return 0;
}

export interface ForgetOptions {
  readonly reason: string;
  readonly force?: boolean;
  readonly replica?: boolean;
}

/** `snapshots forget`: removes one snapshot now. An id alone: `latest` is not to be forgotten by a slip. */
export async function forget(context: Context, id: string, options: ForgetOptions): Promise<number> {
  const env = storeEnvironment(context.env, options.replica);
  const ports = {
    ...connect(env, ['clock', 'log', 'signer', 'store'], { log: context.log }),
    own: protectedDatabase(env).source,
  };
  const said = { by: userName(), reason: options.reason, force: options.force === true };
  const { bytes: freed, objects, wasSnapshot, word } = await forgetSnapshot(ports, id, said);
  context.document({ ...word, objects, bytes: freed, wasSnapshot, deployment: deploymentOf(env) });
  const what = wasSnapshot ? `Snapshot ${id} is removed` : `What was left of ${id}, which has no manifest, is removed`;
  context.print(
    `${what}: ${counted(objects, 'object')}, ${bytes(freed)}.${wasSnapshot ? ' Its tombstone says so.' : ''}`,
  );
  if (options.replica !== true && (env['BACKUP_REPLICA_STORE'] ?? '') !== '') {
    context.note(`note: a copy in the second store stays: the same with --replica removes it.`);
  }
  return 0;
}
