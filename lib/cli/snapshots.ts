import { userInfo } from 'node:os';
import { marksBeside, storeApp } from '../app/app.js';
import { deploymentOf, protectedDatabase } from '../app/connect/database.js';
import { acceptSnapshot, adoptDatabase } from '../snapshot/accept.js';
import { shortSource } from '../snapshot/source.js';
import type { Environment } from '../app/config.js';
import { AppError } from '../errors.js';
import { cancelIfOpen } from '../runs/cancel.js';
import { endingApp } from './unlock.js';
import type { Context } from './context.js';
import { counted, printable, bytes } from './output/format.js';
import { storeEnvironment } from './store-choice.js';
import { connectedTrust } from './trust.js';
import type { Ports } from '../ports/index.js';
import { listLeases } from '../runs/lease-document.js';
import { endLease } from '../runs/lease.js';
import { writeAdoption } from '../snapshot/acceptance.js';
import { refreshCatalog } from '../snapshot/catalog-object.js';
import { catalog, catalogEntry, type FullEntry } from '../snapshot/catalog.js';
import { sha256 } from '../snapshot/manifest.js';
import { assess, isFoundWhole, trustContext } from '../snapshot/trust.js';
import { signUnsignedState } from '../snapshot/unsigned-state.js';
import { startVerify } from '../snapshot/verify.js';
import { carryOut, errorOfRun, runEnvironment } from './carry-out.js';
import { table } from './output/table.js';
import { connect } from '../app/connect.js';
import { forgetSnapshot, pinSnapshot, unpinSnapshot } from '../retention/prune/forget.js';
import { selectSnapshot } from '../snapshot/select.js';

export interface AcceptOptions {
  readonly reason: string;
  readonly replica?: boolean;
}

/** `snapshots accept`: a doubtful snapshot counts as trusted from now on. */
export async function accept(context: Context, id: string, options: AcceptOptions): Promise<number> {
  const env = storeEnvironment(context.env, options.replica);
  const trust = await connectedTrust(context, env);
  const marksElsewhere = marksBeside(context.env, context.log, options.replica);
  const words = { by: userName(), reason: options.reason, marksElsewhere };
  const { acceptance, ended } = await acceptSnapshot(trust, id, words);
  context.document({ ...acceptance, ended, deployment: deploymentOf(env) });
  context.print(`Snapshot ${id} is accepted: ${printable(acceptance.reason)}. It counts as trusted from now on.`);
  for (const run of ended) context.print(`Restore ${run} is no longer taken for unfinished.`);
  // What was accepted must not be written over by a restore that the guard resumes.
  for (const run of ended) await endRestore(context, env, run);
  return 0;
}

async function endRestore(context: Context, env: Environment, run: string): Promise<void> {
  const { engine, ports } = endingApp(context, env);
  if (await cancelIfOpen(engine, ports.store, run)) context.print(`Run ${run} is ended and is not resumed.`);
}

export interface AdoptOptions {
  readonly reason?: string;
  readonly unsigned?: boolean;
  readonly withdraw?: boolean;
  readonly replica?: boolean;
}

/** `snapshots adopt`: a database that moved to a new host; or, with --unsigned, snapshots from before a key was set. */
export async function adopt(context: Context, source: string | undefined, options: AdoptOptions): Promise<number> {
  if ((source === undefined) !== (options.unsigned === true)) {
    throw new AppError('usage', 'Either a source or --unsigned has to be given', {
      hint: 'Name the source as `snapshots list` shows it, if the database moved to a new host; --unsigned is for snapshots from before a signing key was set.',
    });
  }
  const env = storeEnvironment(context.env, options.replica);
  if (source === undefined) return adoptUnsigned(context, env);
  const trust = await connectedTrust(context, env);
  const withdraw = options.withdraw === true;
  const adopted = await adoptDatabase(trust, source, {
    reason: options.reason ?? '',
    withdraw,
  });
  context.document({ ...adopted, withdrawn: withdraw, deployment: deploymentOf(env) });
  const name = `${shortSource(adopted.source)}${adopted.label === null ? '' : ` (${printable(adopted.label)})`}`;
  const its = counted(adopted.snapshots, 'snapshot');
  const done = withdraw
    ? `Source ${name} is another database again: its ${its} are not \`latest\` here.`
    : `Source ${name} is the same database as the one here: its ${its} count as its own.`;
  context.print(adopted.changed ? done : `Nothing to do: source ${name} ${withdraw ? 'was not' : 'is'} adopted.`);
  return 0;
}

/** Who says so, as far as the machine knows. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'unknown';
  }
}

interface Row {
  readonly id: string;
  readonly outcome: 'adopted' | 'verified' | 'refused';
  readonly reason: string | null;
}

/**
 * `snapshots adopt --unsigned`: brings over what is from before a signing key was set. The control state is signed. Each
 * snapshot that is not signed, or of which no verification is believed, is read back in full; then it counts as signed.
 */
async function adoptUnsigned(context: Context, env: Environment): Promise<number> {
  const app = storeApp(runEnvironment(env, true), { log: context.log });
  const { clock, signer, store } = app.ports;
  if (signer.sign(Buffer.from('adopt')) === null) {
    throw new AppError('config', 'No private signing key is set, so that nothing can be signed', {
      hint: 'Set BACKUP_SIGNING_KEY where snapshots are adopted: `npx soulcaster-backup keygen` makes one.',
    });
  }
  await endUnsignedLeases(context, { clock, store });
  const signed = await signUnsignedState(store, new Date(clock.now()).toISOString());
  const trust = await trustContext(app.ports, protectedDatabase(env).source);
  const rows: Row[] = [];
  const entries: FullEntry[] = [];
  for await (const entry of catalog(store)) entries.push(entry);
  for (const entry of entries.reverse()) {
    const { state } = assess(entry, trust);
    const isUnsigned = state === 'untrusted' && isIntact(entry) && entry.manifest?.seal.signature === null;
    if (!isUnsigned && state !== 'unverified') continue;
    rows.push(await verifyOne(entry, isUnsigned));
  }
  await refreshCatalog(app.ports);
  context.document({ snapshots: rows, signed, deployment: deploymentOf(env) });
  context.print([view(rows, signed), ...signedWords(signed)].join('\n'));
  return rows.some(({ outcome }) => outcome === 'refused') ? 1 : 0;

  async function verifyOne({ id, sha256: stored }: FullEntry, isUnsigned: boolean): Promise<Row> {
    const run = await carryOut(context, app, await startVerify(app.engine, id, 'cli'));
    const error = errorOfRun(run);
    const refused = (reason: string): Row => ({ id, outcome: 'refused', reason });
    const after = await catalogEntry(store, id);
    if (after === null || after.sha256 !== stored || !isFoundWhole(after))
      return refused(error?.message ?? 'it changed');
    if (error !== null && error.code !== 'wrong-key') return refused(error.message);
    if (after.verification?.depth !== 'lines')
      return refused('it is encrypted, and BACKUP_AGE_IDENTITY is not set here');
    if (!isUnsigned) return { id, outcome: 'verified', reason: null };
    await writeAdoption(store, id, { manifestSha256: stored, at: new Date(clock.now()).toISOString() });
    return { id, outcome: 'adopted', reason: null };
  }
}

/** Leases from before the key say nothing any more, and would keep every run waiting until they are old. */
async function endUnsignedLeases(context: Context, ports: Pick<Ports, 'clock' | 'store'>): Promise<void> {
  for (const { document, name } of await listLeases(ports.store)) {
    if (document === null && (await endLease(ports, name)))
      context.note(`lease ${name}, which is not signed, was ended`);
  }
}

function isIntact({ manifest, sealed }: FullEntry): boolean {
  return manifest !== null && sealed !== null && sha256(sealed) === manifest.seal.sha256;
}

/** What counts again, and what there is to look through: nobody vouches for what was written without a key. */
function signedWords(signed: readonly string[]): string[] {
  if (signed.length === 0) return [];
  const runs = signed.filter((name) => name.startsWith('runs/'));
  const others = signed.filter((name) => !name.startsWith('runs/')).map(printable);
  const records = runs.length === 0 ? [] : [`the records of ${counted(runs.length, 'run')}`];
  const check =
    others.length === 0
      ? []
      : [
          'Whoever could write to the store could write these: look through `npx soulcaster-backup erasures list --env-file .env` and `npx soulcaster-backup snapshots list --env-file .env`.',
        ];
  return ['', `Signed, and believed from now on: ${[...records, ...others].join(', ')}.`, ...check];
}

function view(rows: readonly Row[], signed: readonly string[]): string {
  if (rows.length === 0 && signed.length > 0) return 'Every snapshot is signed, and a verification of it is on record.';
  if (rows.length === 0) return 'Nothing to do: every snapshot is signed, and a verification of it is on record.';
  const lines = rows.map(({ id, outcome, reason }) => [id, outcome, reason === null ? '' : printable(reason)]);
  const done = rows.filter(({ outcome }) => outcome !== 'refused').length;
  return `${table(['snapshot', 'outcome', 'because'], lines)}\n\n${counted(done, 'snapshot')} read back in full and believed from now on.`;
}

export interface UnpinOptions {
  readonly replica?: boolean;
}

export interface PinOptions extends UnpinOptions {
  readonly reason: string;
}

/** `snapshots pin`: no prune removes it until it is unpinned. */
export async function pin(context: Context, wanted: string, { reason, replica }: PinOptions): Promise<number> {
  const env = storeEnvironment(context.env, replica);
  const trust = await connectedTrust(context, env);
  const { id } = await selectSnapshot(trust, wanted);
  const word = await pinSnapshot(trust, id, { by: userName(), reason });
  context.document({ ...word, pinned: true, deployment: deploymentOf(env) });
  context.print(`Snapshot ${id} is pinned: ${printable(word.reason)}. No prune removes it.`);
  return 0;
}

/** `snapshots unpin`: the policy decides again. */
export async function unpin(context: Context, wanted: string, { replica }: UnpinOptions): Promise<number> {
  const env = storeEnvironment(context.env, replica);
  const trust = await connectedTrust(context, env);
  const { id } = await selectSnapshot(trust, wanted);
  const changed = await unpinSnapshot(trust, id);
  context.document({ id, pinned: false, changed, deployment: deploymentOf(env) });
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
  const said = {
    ...{ by: userName(), reason: options.reason },
    ...{ force: options.force === true, isReplica: options.replica === true },
  };
  const { bytes: freed, objects, wasSnapshot, word } = await forgetSnapshot(ports, id, said);
  context.document({ ...word, objects, bytes: freed, wasSnapshot, deployment: deploymentOf(env) });
  const what = wasSnapshot ? `Snapshot ${id} is removed` : `What was left of ${id}, which has no manifest, is removed`;
  context.print(
    `${what}: ${counted(objects, 'object')}, ${bytes(freed)}.${wasSnapshot ? ' Its tombstone says so.' : ''}`,
  );
  if (options.replica !== true && (env['BACKUP_REPLICA_STORE'] ?? '') !== '') {
    context.note(`note: a copy in the second store, if there is one, stays: the same with --replica removes it.`);
  }
  return 0;
}
