import { AppError } from '../errors.js';
import { writeAcceptance, type Acceptance } from './acceptance.js';
import { adoptSource, disownSource } from './adopted-sources.js';
import { listEntries, refreshCatalog } from './catalog-object.js';
import { catalog, catalogEntry } from './catalog.js';
import { LEAST_SHARE } from './doubts.js';
import { assessor, latestTrusted } from './latest.js';
import { plainLabel, shortSource, sourceOf } from './source.js';
import { doubtsOf } from './source.js';
import { assess, type TrustContext } from './trust.js';
import { removeMarks, type MarkStores, type Unfinished } from './unfinished-marks.js';

const REASON_LENGTH = 500;

export interface Accepted {
  readonly acceptance: Acceptance;
  /** Unfinished restores whose marks are ended with it. */
  readonly ended: readonly string[];
}

/** Who says so, and why. `marksElsewhere`: see MarkStores. */
export interface AcceptWords extends Pick<MarkStores, 'marksElsewhere'> {
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
  { by, marksElsewhere, reason }: AcceptWords,
): Promise<Accepted> {
  const { clock, store } = context;
  const entry = await catalogEntry(store, id);
  if (entry === null) {
    throw new AppError('not-found', `There is no snapshot ${JSON.stringify(id.slice(0, 64))}`, {
      hint: 'See `npx soulcaster-backup snapshots list --env-file .env` for the ids there are.',
    });
  }
  const { manifest } = entry;
  if (manifest === null || assess(entry, context).state !== 'doubtful') {
    const { reasons, state } = (await assessor(context, await listEntries(context)))(entry);
    const why = reasons.length === 0 ? '' : `: ${reasons.join('; ')}`;
    throw new AppError('usage', `Snapshot ${id} is ${state}, not doubtful: there is nothing to accept${why}`, {
      hint: 'Only doubtful snapshots are accepted. What else keeps one from being `latest` has to be mended, or it is restored by its id.',
    });
  }
  const at = new Date(clock.now()).toISOString();
  const acceptance = { snapshot: id, manifestSha256: entry.sha256, reason: demandReason(reason), at, by };
  await writeAcceptance(store, acceptance);
  await refreshCatalog(context);
  // The doubts name the runs whose marks were there then; a later restore is none of its business.
  const unfinished = doubtsOf(manifest).filter(({ code }) => code === 'restore-unfinished');
  const isOver = ({ run }: Unfinished): boolean => unfinished.some(({ detail }) => detail.includes(run));
  const here = await removeMarks(store, manifest.source, isOver);
  const other = marksElsewhere?.() ?? null;
  // As when a restore ends marks: the other store may be gone.
  const there = other === null ? [] : await removeMarks(other, manifest.source, isOver).catch(() => []);
  return { acceptance, ended: [...new Set([...here, ...there].map(({ run }) => run))] };
}

interface AdoptedSourceView {
  readonly source: string;
  readonly label: string | null;
  /** Snapshots of it in the store. */
  readonly snapshots: number;
  /** False when it was adopted before, or with `withdraw` was not. */
  readonly changed: boolean;
}

/**
 * Writes down that the database which is configured here is the one that `wanted` was: the first digits of a source, or
 * the label of its snapshots. With `withdraw` that is taken back. Throws `not-found`, `usage`, `config` and `not-confirmed`.
 */
export async function adoptDatabase(
  context: TrustContext,
  wanted: string,
  { reason, withdraw }: { readonly reason: string; readonly withdraw: boolean },
): Promise<AdoptedSourceView> {
  const { clock, own, store } = context;
  if (own === null) {
    throw new AppError('config', 'No database is configured here that could adopt another', {
      hint: 'Set UPSTASH_REDIS_REST_URL to the new host of the database.',
    });
  }
  const found = await findSource(context, wanted);
  if (found.source === own) {
    throw new AppError('usage', `${shortSource(own)} is the source of the very database that is configured here`, {
      hint: 'Its snapshots are its own already.',
    });
  }
  if (!withdraw) await demandNotEmptier(context, found.source);
  const at = new Date(clock.now()).toISOString();
  const statement = { source: found.source, reason: demandReason(withdraw ? reason || 'withdrawn' : reason), at };
  const changed = await (withdraw ? disownSource : adoptSource)(store, own, statement);
  return { ...found, changed };
}

/**
 * A new database has no snapshot before its first, which may so be of an empty one and is trusted all the same. Adopted snapshots
 * are older than that. Throws `not-confirmed` where it would be `latest` in their place, and has less than half of their keys.
 */
async function demandNotEmptier(context: TrustContext, source: string): Promise<void> {
  const own = (await latestTrusted(context))?.manifest ?? null;
  const earlier = (await latestTrusted({ ...context, sources: new Set([source]) }))?.manifest ?? null;
  if (own === null || earlier === null || own.counts.keys >= earlier.counts.keys * LEAST_SHARE) return;
  const next = await latestTrusted({ ...context, sources: new Set([...(context.sources ?? []), source]) });
  if (next?.id !== own.id) return;
  throw new AppError(
    'not-confirmed',
    `Snapshot ${own.id} of this database has ${own.counts.keys} keys and would be \`latest\` in the place of ${earlier.id}, which has ${earlier.counts.keys}`,
    {
      hint: `If data are yet to be brought over: \`npx soulcaster-backup restore ${earlier.id} --from-source --env-file .env\`, then take a backup, and adopt after that. If ${own.id} is worth nothing: \`npx soulcaster-backup snapshots forget ${own.id} --force --reason TEXT --env-file .env\`, then adopt.`,
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
    throw new AppError('not-found', `No snapshot in the store is of a source ${JSON.stringify(wanted.slice(0, 64))}`, {
      hint,
    });
  }
  if (others.length > 0) {
    throw new AppError('usage', `${JSON.stringify(wanted.slice(0, 64))} may mean any of ${sources.size} sources`, {
      hint,
    });
  }
  return { source: first[0], ...first[1] };
}

/** Throws `usage` for one that says nothing, or too much. */
export function demandReason(reason: string): string {
  const plain = reason.trim();
  if (plain !== '' && plain.length <= REASON_LENGTH) return plain;
  throw new AppError('usage', 'The reason is missing or too long', {
    hint: `Say with --reason in up to ${REASON_LENGTH} characters why: whoever relies on it later reads it.`,
  });
}
