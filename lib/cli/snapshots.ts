import { userInfo } from 'node:os';
import { otherMarkStore, storeApp } from '../app/app.js';
import { deploymentOf, protectedDatabase } from '../app/connect/database.js';
import { acceptSnapshot, adoptDatabase, signUnsignedState } from '../snapshot/accept.js';
import { shortSource } from '../snapshot/source.js';
import { wantsReplica, type Environment } from '../app/config.js';
import { AppError } from '../errors.js';
import { cancelIfOpen } from '../runs/engine.js';
import { openRunEndingApp } from './unlock.js';
import type { Context } from './context.js';
import { counted, bytes } from '../formats.js';
import { printable } from '../snapshot/ledger.js';
import { storeEnvironment } from '../app/connect/stores.js';
import { openTrust } from './trust.js';
import type { Ports } from '../ports/index.js';
import { listLeases } from '../runs/lease-document.js';
import { endLease } from '../runs/lease.js';
import { writeAdoption } from '../snapshot/statements.js';
import { refreshCatalog } from '../snapshot/catalog-object.js';
import { catalog, catalogEntry, type FullEntry } from '../snapshot/catalog.js';
import { sha256 } from '../snapshot/manifest.js';
import { assess, isFoundWhole, trustContext } from '../snapshot/trust.js';
import { foundContentsWhole, startVerify } from '../snapshot/verify.js';
import { carryOut, errorOfRun, runEnvironment } from './carry-out.js';
import { table } from './output/table.js';
import { connect } from '../app/connect.js';
import { unfinishedWords, type Unfinished } from '../snapshot/unfinished-marks.js';
import { forgetSnapshot, pinSnapshot, unpinSnapshot } from '../retention/prune/forget.js';
import { selectSnapshot } from '../snapshot/select.js';

interface AcceptOptions {
  readonly reason: string;
  readonly replica?: boolean;
}

/** `snapshots accept`: makes a doubtful snapshot count as trusted. */
export async function accept(context: Context, id: string, options: AcceptOptions): Promise<number> {
  const env = storeEnvironment(context.env, options.replica);
  const trust = await openTrust(context, env);
  const marksElsewhere = otherMarkStore(context.env, context.log, options.replica);
  const words = { by: userName(), reason: options.reason, marksElsewhere };
  const { acceptance, ended } = await acceptSnapshot(trust, id, words);
  context.document({ ...acceptance, ended, deployment: deploymentOf(env) });
  context.print(`Snapshot ${id} is accepted: ${printable(acceptance.reason)}. It counts as trusted from now on.`);
  for (const run of ended) context.print(`Restore ${run} no longer counts as unfinished.`);
  // The guard must not resume these restores: they would overwrite the accepted data.
  for (const run of ended) await endRestore(context, env, run);
  return 0;
}

async function endRestore(context: Context, env: Environment, run: string): Promise<void> {
  const { engine, ports } = openRunEndingApp(context, env);
  if (await cancelIfOpen(engine, ports.store, run)) context.print(`Run ${run} is ended and is not resumed.`);
}

interface AdoptOptions {
  readonly reason?: string;
  readonly unsigned?: boolean;
  readonly withdraw?: boolean;
  readonly replica?: boolean;
}

/** `snapshots adopt`: adopts snapshots of a database that moved to a new host or, with --unsigned, from before a key was set. */
export async function adopt(context: Context, source: string | undefined, options: AdoptOptions): Promise<number> {
  if ((source === undefined) !== (options.unsigned === true)) {
    throw new AppError('usage', 'Either a source or --unsigned is required', {
      hint: 'If the database moved to a new host, give the source that `npx soulcaster-backup snapshots list --env-file .env` shows. --unsigned is for snapshots from before a signing key was set.',
    });
  }
  const env = storeEnvironment(context.env, options.replica);
  if (source === undefined) return adoptUnsigned(context, env);
  const trust = await openTrust(context, env);
  const withdraw = options.withdraw === true;
  const { unfinished, ...adopted } = await adoptDatabase(trust, source, {
    marksElsewhere: otherMarkStore(context.env, context.log, options.replica),
    reason: options.reason ?? '',
    withdraw,
  });
  const runs = unfinished.map(({ run }) => run);
  context.document({ ...adopted, unfinished: runs, withdrawn: withdraw, deployment: deploymentOf(env) });
  const name = `${shortSource(adopted.source)}${adopted.label === null ? '' : ` (${printable(adopted.label)})`}`;
  const its = counted(adopted.snapshots, 'snapshot');
  const done = withdraw
    ? `Source ${name} is another database again: its ${its} cannot be \`latest\` here.`
    : `Source ${name} is the same database as the one here: its ${its} count as this database's own.`;
  context.print(adopted.changed ? done : `Nothing to do: source ${name} ${withdraw ? 'was not' : 'is'} adopted.`);
  for (const mark of unfinished) context.note(unfinishedNote(mark));
  return 0;
}

function unfinishedNote(mark: Unfinished): string {
  const finish = mark.hint === undefined ? '' : `: ${mark.hint}`;
  return `warning: the database is the target of a restore that did not end: ${printable(unfinishedWords(mark))}. Until it is finished, no new snapshot is \`latest\`. Finish it${finish}. If the data are correct, take a snapshot and accept it.`;
}

/** The name of the system user; `unknown` if there is none. */
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
 * `snapshots adopt --unsigned`: adopts state from before a signing key was set. Control objects are signed. Each snapshot that is
 * unsigned, or without an authenticated verification, is fully verified; then it counts as signed.
 */
async function adoptUnsigned(context: Context, env: Environment): Promise<number> {
  const app = storeApp(runEnvironment(env, true), { log: context.log });
  const { clock, signer, store } = app.ports;
  if (signer.sign(Buffer.from('adopt')) === null) {
    throw new AppError('config', 'No private signing key is set, so nothing can be signed', {
      hint: 'Set BACKUP_SIGNING_KEY here: `npx soulcaster-backup keygen signing` generates one.',
    });
  }
  await endUnsignedLeases(context, { clock, store });
  const signed = await signUnsignedState(app.ports, new Date(clock.now()).toISOString());
  const trust = await trustContext(app.ports, protectedDatabase(env).source);
  const rows: Row[] = [];
  const entries: FullEntry[] = [];
  for await (const entry of catalog(store)) entries.push(entry);
  for (const entry of entries.reverse()) {
    const { state } = assess(entry, trust);
    const isUnsigned = state === 'untrusted' && isIntact(entry) && entry.manifest?.seal.signature === null;
    if (!isUnsigned && state !== 'unverified') continue;
    rows.push(await verifyAndAdopt(entry, isUnsigned));
  }
  await refreshCatalog(app.ports);
  context.document({ snapshots: rows, signed, deployment: deploymentOf(env) });
  context.print([adoptionTable(rows, signed), ...signedText(signed)].join('\n'));
  return rows.some(({ outcome }) => outcome === 'refused') ? 1 : 0;

  async function verifyAndAdopt({ id, sha256: stored }: FullEntry, isUnsigned: boolean): Promise<Row> {
    const run = await carryOut(context, app, await startVerify(app.engine, id, 'cli'));
    const error = errorOfRun(run);
    const refused = (reason: string): Row => ({ id, outcome: 'refused', reason });
    const after = await catalogEntry(store, id);
    if (after === null || after.sha256 !== stored || !isFoundWhole(after))
      return refused(error?.message ?? 'it changed');
    // Neither a gap elsewhere in the chain nor the signature that is lacking says anything about this snapshot's contents.
    if (error !== null && !foundContentsWhole(run)) return refused(error.message);
    if (after.verification?.depth !== 'lines')
      return refused('it is encrypted, and BACKUP_AGE_IDENTITY is not set here');
    if (!isUnsigned) return { id, outcome: 'verified', reason: null };
    await writeAdoption(store, id, { manifestSha256: stored, at: new Date(clock.now()).toISOString() });
    return { id, outcome: 'adopted', reason: null };
  }
}

/** Ends leases from before the key: they cannot be authenticated, and would block every run until they expire. */
async function endUnsignedLeases(context: Context, ports: Pick<Ports, 'clock' | 'store'>): Promise<void> {
  for (const { document, name } of await listLeases(ports.store)) {
    if (document === null && (await endLease(ports, name)))
      context.note(`note: lease ${name}, which is not signed, was ended`);
  }
}

function isIntact({ manifest, sealed }: FullEntry): boolean {
  return manifest !== null && sealed !== null && sha256(sealed) === manifest.seal.sha256;
}

/** The control objects that were signed, and a reminder to check them: without a key anybody could have written them. */
function signedText(signed: readonly string[]): string[] {
  if (signed.length === 0) return [];
  const countOf = (prefix: string): number => signed.filter((name) => name.startsWith(prefix)).length;
  const [runs, removed] = [countOf('runs/'), countOf('pruned/')];
  const others = signed.filter((name) => !/^(runs|pruned)\//.test(name)).map(printable);
  const records = [
    ...(runs === 0 ? [] : [`the records of ${counted(runs, 'run')}`]),
    ...(removed === 0 ? [] : [`the tombstones of ${counted(removed, 'removed snapshot')}`]),
  ];
  const check =
    others.length === 0
      ? []
      : [
          'Anybody with write access to the store could have written these. Check them: `npx soulcaster-backup erasures list --env-file .env` and `npx soulcaster-backup snapshots list --env-file .env`.',
        ];
  return ['', `Signed, and trusted from now on: ${[...records, ...others].join(', ')}.`, ...check];
}

function adoptionTable(rows: readonly Row[], signed: readonly string[]): string {
  if (rows.length === 0) {
    return `${signed.length > 0 ? 'Every' : 'Nothing to do: every'} snapshot is signed and has a recorded verification.`;
  }
  const lines = rows.map(({ id, outcome, reason }) => [id, outcome, reason === null ? '' : printable(reason)]);
  const done = rows.filter(({ outcome }) => outcome !== 'refused').length;
  return `${table(['snapshot', 'outcome', 'because'], lines)}\n\n${counted(done, 'snapshot')} fully verified and trusted from now on.`;
}

interface UnpinOptions {
  readonly replica?: boolean;
}

export interface PinOptions extends UnpinOptions {
  readonly reason: string;
}

/** `snapshots pin`: keeps a snapshot from being pruned until it is unpinned. */
export async function pin(context: Context, wanted: string, { reason, replica }: PinOptions): Promise<number> {
  const env = storeEnvironment(context.env, replica);
  const trust = await openTrust(context, env);
  const { id } = await selectSnapshot(trust, wanted);
  const word = await pinSnapshot(trust, id, { by: userName(), reason });
  context.document({ ...word, pinned: true, deployment: deploymentOf(env) });
  context.print(`Snapshot ${id} is pinned: ${printable(word.reason)}. No prune removes it.`);
  return 0;
}

/** `snapshots unpin`: applies the retention policy to a snapshot again. */
export async function unpin(context: Context, wanted: string, { replica }: UnpinOptions): Promise<number> {
  const env = storeEnvironment(context.env, replica);
  const trust = await openTrust(context, env);
  const { id } = await selectSnapshot(trust, wanted);
  const changed = await unpinSnapshot(trust, id);
  context.document({ id, pinned: false, changed, deployment: deploymentOf(env) });
  context.print(changed ? `Snapshot ${id} is no longer pinned.` : `Nothing to do: snapshot ${id} is not pinned.`);
  return 0;
}

interface ForgetOptions {
  readonly reason: string;
  readonly force?: boolean;
  readonly replica?: boolean;
}

/** `snapshots forget`: removes one snapshot now. Takes only an id, so that `latest` is not removed by mistake. */
export async function forget(context: Context, id: string, options: ForgetOptions): Promise<number> {
  const env = storeEnvironment(context.env, options.replica);
  const ports = {
    ...connect(env, ['clock', 'log', 'signer', 'store'], { log: context.log }),
    own: protectedDatabase(env).source,
  };
  const request = {
    by: userName(),
    reason: options.reason,
    force: options.force === true,
  };
  const { bytes: freed, objects, wasSnapshot, word } = await forgetSnapshot(ports, id, request);
  context.document({ ...word, objects, bytes: freed, wasSnapshot, deployment: deploymentOf(env) });
  const what = wasSnapshot ? `Snapshot ${id} is removed` : `The remains of ${id}, which has no manifest, are removed`;
  context.print(
    `${what}: ${counted(objects, 'object')}, ${bytes(freed)}.${wasSnapshot ? ' Its tombstone records the reason.' : ''}`,
  );
  if (options.replica !== true && wantsReplica(env)) {
    context.note(
      'note: a copy in the second store, if there is one, stays: repeat the command with --replica to remove it.',
    );
  }
  return 0;
}
