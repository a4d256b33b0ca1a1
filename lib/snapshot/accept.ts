import { AppError } from '../errors.js';
import { writeAcceptance, type Acceptance } from './statements.js';
import { adoptSource, disownSource, plainLabel, shortSource, sourceOf } from './source.js';
import { doubtsOf } from './summary.js';
import { listEntries, refreshCatalog } from './catalog-object.js';
import { catalog, catalogEntry, noSnapshotError, snapshotIds } from './catalog.js';
import { LEAST_SHARE } from './doubts.js';
import { assessor, latestTrusted } from './latest.js';
import { assess, type TrustContext } from './trust.js';
import { copyMarks, inBothStores, removeMarks, type MarkStores, type Unfinished } from './unfinished-marks.js';
import { signUnsigned } from '../control/authenticated-store.js';
import { decodeJson, encodeJson } from '../json.js';
import type { ObjectStore, Signer } from '../ports/index.js';
import { RUN_STATES } from '../runs/model.js';
import { runIds } from '../runs/recent.js';
import { runName } from '../runs/records.js';
import { acceptedName } from './names.js';
import { signUnsignedTombstones } from './tombstone.js';

const REASON_LENGTH = 500;

interface Accepted {
  readonly acceptance: Acceptance;
  /** Unfinished restores whose marks were removed. */
  readonly ended: readonly string[];
}

/** Who accepts the snapshot, and why. `marksElsewhere`: see MarkStores. */
interface AcceptOptions extends Pick<MarkStores, 'marksElsewhere'> {
  readonly by: string;
  readonly reason: string;
}

/**
 * Records that an operator knows why a doubtful snapshot is as it is: it counts as trusted from now on, and is what later
 * ones are compared with. One whose database was the target of an unfinished restore ends that state. Throws `not-found` and `usage`.
 */
export async function acceptSnapshot(
  context: TrustContext,
  id: string,
  { by, marksElsewhere, reason }: AcceptOptions,
): Promise<Accepted> {
  const { clock, store } = context;
  const entry = await catalogEntry(store, id);
  if (entry === null) throw noSnapshotError(id);
  const { manifest } = entry;
  if (manifest === null || assess(entry, context).state !== 'doubtful') {
    const { reasons, state } = (await assessor(context, await listEntries(context)))(entry);
    const why = reasons.length === 0 ? '' : `: ${reasons.join('; ')}`;
    throw new AppError('usage', `Snapshot ${id} is ${state}, not doubtful: there is nothing to accept${why}`, {
      hint: 'Only doubtful snapshots can be accepted. Fix any other reason why it is not `latest`, or restore it by its id.',
    });
  }
  const at = new Date(clock.now()).toISOString();
  const acceptance = { snapshot: id, manifestSha256: entry.sha256, reason: parseReason(reason), at, by };
  await writeAcceptance(store, acceptance);
  await refreshCatalog(context);
  // Only marks of runs that the doubts name are removed, not those of later restores.
  const unfinished = doubtsOf(manifest).filter(({ code }) => code === 'restore-unfinished');
  const isOver = ({ run }: Unfinished): boolean => unfinished.some(({ detail }) => detail.includes(run));
  const stores = { store, ...(marksElsewhere === undefined ? {} : { marksElsewhere }) };
  const ended = await inBothStores(stores, (each) => removeMarks(each, manifest.source, isOver));
  return { acceptance, ended: [...new Set(ended.flat().map(({ run }) => run))] };
}

interface AdoptedSourceView {
  readonly source: string;
  readonly label: string | null;
  /** The number of its snapshots in the store. */
  readonly snapshots: number;
  /** False when it was adopted before, or with `withdraw` was not adopted. */
  readonly changed: boolean;
  /** Restores into the adopted database that are not known to have succeeded, and now count for the configured one. */
  readonly unfinished: readonly Unfinished[];
}

interface AdoptOptions extends Pick<MarkStores, 'marksElsewhere'> {
  readonly reason: string;
  readonly withdraw: boolean;
}

/**
 * Records that the configured database replaces the one that `wanted` names: the first digits of a source, or the label of
 * its snapshots. Marks of unfinished restores count for it from now on. `withdraw` removes the record. Throws `not-found`, `usage`, `config` and `not-confirmed`.
 */
export async function adoptDatabase(
  context: TrustContext,
  wanted: string,
  { marksElsewhere, reason, withdraw }: AdoptOptions,
): Promise<AdoptedSourceView> {
  const { clock, own, sources, store } = context;
  if (own === null) {
    throw new AppError('config', 'No database is configured that could adopt the snapshots of another', {
      hint: 'Set UPSTASH_REDIS_REST_URL to the new host of the database.',
    });
  }
  const found = await findSource(context, wanted);
  if (found.source === own) {
    throw new AppError('usage', `${shortSource(own)} is the source of the configured database itself`, {
      hint: 'Nothing to do: its snapshots need no adoption.',
    });
  }
  if (!withdraw) await assertNotEmptier(context, found.source);
  const at = new Date(clock.now()).toISOString();
  const statement = { source: found.source, reason: parseReason(withdraw ? reason || 'withdrawn' : reason), at };
  const isNew = !withdraw && sources?.has(found.source) !== true;
  const stores = { store, ...(marksElsewhere === undefined ? {} : { marksElsewhere }) };
  // Before the adoption: if this process dies in between, the command copies them again.
  const unfinished = isNew ? await copyMarks(stores, found.source, own) : [];
  const changed = await (withdraw ? disownSource : adoptSource)(store, own, statement);
  return { ...found, changed, unfinished };
}

/**
 * The first snapshot of a new database has no earlier one to be compared with, so it is trusted even if it is of an empty database.
 * Throws `not-confirmed` where it would be `latest` instead of the older, adopted ones, and has less than half of their keys.
 */
async function assertNotEmptier(context: TrustContext, source: string): Promise<void> {
  const own = (await latestTrusted(context))?.manifest ?? null;
  const earlier = (await latestTrusted({ ...context, sources: new Set([source]) }))?.manifest ?? null;
  if (own === null || earlier === null || own.counts.keys >= earlier.counts.keys * LEAST_SHARE) return;
  const next = await latestTrusted({ ...context, sources: new Set([...(context.sources ?? []), source]) });
  if (next?.id !== own.id) return;
  throw new AppError(
    'not-confirmed',
    `Snapshot ${own.id} of this database has ${own.counts.keys} keys and would be \`latest\` instead of ${earlier.id}, which has ${earlier.counts.keys}`,
    {
      hint: `If data still have to be restored into this database: \`npx soulcaster-backup restore ${earlier.id} --from-source --env-file .env\`, then take a backup, then adopt. If ${own.id} is not needed: \`npx soulcaster-backup snapshots forget ${own.id} --force --reason TEXT --env-file .env\`, then adopt.`,
    },
  );
}

async function findSource({ own, store }: TrustContext, wanted: string) {
  const sources = new Map<string, { label: string | null; snapshots: number }>();
  for await (const { manifest } of catalog(store)) {
    if (manifest === null || manifest.imported !== undefined) continue;
    const label = plainLabel(manifest.label);
    const isMeant = (/^[0-9a-f]{8,64}$/.test(wanted) && manifest.source.startsWith(wanted)) || label === wanted;
    if (!isMeant && sourceOf(wanted) !== manifest.source) continue;
    const before = sources.get(manifest.source);
    sources.set(manifest.source, { label: before?.label ?? label, snapshots: (before?.snapshots ?? 0) + 1 });
  }
  // Of several that have a label, the one that is configured here is not meant.
  if (own !== null && sources.size > 1) sources.delete(own);
  const [first, ...others] = sources;
  const hint =
    'Give the first 8 digits as `npx soulcaster-backup snapshots list --env-file .env` shows them, or the label.';
  if (first === undefined) {
    throw new AppError(
      'not-found',
      `No snapshot in the store has the source or label ${JSON.stringify(wanted.slice(0, 64))}`,
      {
        hint,
      },
    );
  }
  if (others.length > 0) {
    throw new AppError('usage', `${JSON.stringify(wanted.slice(0, 64))} matches ${sources.size} sources`, {
      hint,
    });
  }
  return { source: first[0], ...first[1] };
}

/** The reason without surrounding space. Throws `usage` when it is empty or too long. */
export function parseReason(reason: string): string {
  const plain = reason.trim();
  if (plain !== '' && plain.length <= REASON_LENGTH) return plain;
  throw new AppError('usage', 'The reason is missing or too long', {
    hint: `Give the reason with --reason, in up to ${REASON_LENGTH} characters: it is shown to everyone who relies on this decision.`,
  });
}

/** What operators said, and what drills proved. Leases are ended instead, and webhook ids are too old to matter. */
const PREFIXES = ['guard/', 'drills/', 'credentials/'] as const;

type Fields = Readonly<Record<string, unknown>>;

/**
 * Signs the control state from before a signing key was set: tombstones, records of runs, drills, the erasure list, pins, adopted sources,
 * marks of unfinished restores, acceptances. A run that had not ended is ended, since nobody may resume it. Returns the
 * names of what was signed. `at`: ISO 8601.
 */
export async function signUnsignedState(
  ports: { readonly store: ObjectStore; readonly signer: Signer },
  at: string,
): Promise<string[]> {
  const { store } = ports;
  const signed = await signUnsignedTombstones(ports);
  const sign = async (name: string, edit?: (body: Buffer) => Buffer | null): Promise<void> => {
    if (await signUnsigned(store, name, edit)) signed.push(name);
  };
  for (const prefix of PREFIXES) {
    const names: string[] = [];
    for await (const { name } of store.list(prefix)) names.push(name);
    for (const name of names) await sign(name);
  }
  for (const id of await snapshotIds(store)) await sign(acceptedName(id));
  for (const id of await runIds(store)) await sign(runName(id), (body) => endedRecord(body, at));
  return signed;
}

/** Null for what is no record of a run. */
function endedRecord(body: Buffer, at: string): Buffer | null {
  // What it hides is for the attempt that would have continued; the texts beside it no longer fit.
  const { details: hidden, ...fields } = decodeJson(body) as Fields;
  const state = RUN_STATES.find((known) => known === fields['state']);
  if (state === undefined) return null;
  if (state !== 'running' && state !== 'waiting') return body;
  const ended = { ...fields, state: 'failed', checkpoint: null, finishedAt: at, nextAttemptAt: null, error: NOT_ENDED };
  return encodeJson(hidden === undefined ? ended : { ...ended, hidden: true });
}

const NOT_ENDED = {
  code: 'cancelled',
  message: 'The run had not ended when a signing key was set, and its record carried no signature',
  hint: 'Start it again. What it had written stays.',
};
