import type { Ports } from '../ports/index.js';
import { catalog } from './catalog.js';
import { latestTrusted } from './latest.js';
import type { Doubt, ManifestBody } from './manifest.js';
import { emptiedDoubt } from './summary.js';
import { sourceOf } from './source.js';
import { trustContext, type TrustContext } from './trust.js';
import { endedSince, marksOf, unfinishedWords, type EndedRuns, type MarkStores } from './unfinished-marks.js';

/** A snapshot with less than this share of the keys of the previous one is doubtful. */
export const LEAST_SHARE = 1 / 2;

/**
 * Reasons why the database may not have been whole when it was read: it is the target of an unfinished restore; most of its
 * keys were lost or replaced by others meanwhile (`gone`, see `emptiedDoubt`); or it holds less than half of the keys of its
 * last trusted snapshot.
 */
export async function findDoubts(
  ports: Pick<Ports, 'clock' | 'redis' | 'signer' | 'store'> & MarkStores,
  body: Pick<ManifestBody, 'counts' | 'dbsize'>,
  gone = 0,
): Promise<Doubt[]> {
  const own = sourceOf(ports.redis.host);
  const context = await trustContext(ports, own);
  const unfinished = await unfinishedDoubts(ports, null);
  return [...unfinished, ...emptiedDoubt(body.dbsize, gone), ...(await shrunkDoubt(context, body.counts.keys))];
}

/** Doubts because of unfinished restores into the database. `ownRun`: the calling restore, whose own mark is no doubt. */
export async function unfinishedDoubts(
  ports: Pick<Ports, 'redis'> & MarkStores,
  ownRun: string | null,
): Promise<Doubt[]> {
  const marks = await marksOf(ports, sourceOf(ports.redis.host));
  return marks
    .filter(({ run }) => run !== ownRun)
    .map((mark) => {
      const detail = `the database was the target of a restore that did not end: ${unfinishedWords(mark)}`;
      return { code: 'restore-unfinished', detail };
    });
}

/**
 * Doubts because of restores into the database that succeeded since `before`: the snapshot is partly from before and partly from
 * after them. Within one store a lease excludes them; restores from the second store, and of another deployment that has the
 * database as a target, use other leases. Must be called after `unfinishedDoubts`, so that no restore ends unseen in between.
 */
export async function endedDoubts(
  ports: Pick<Ports, 'redis'> & MarkStores,
  before: EndedRuns | null,
): Promise<Doubt[]> {
  const ended = before === null ? [] : await endedSince(ports, sourceOf(ports.redis.host), before);
  return ended.map((mark) => {
    const detail = `a restore wrote into the database while it was read: ${unfinishedWords(mark)}`;
    return { code: 'restored-meanwhile', detail };
  });
}

async function shrunkDoubt(context: TrustContext, keys: number): Promise<Doubt[]> {
  const before = await referenceOf(context);
  if (before === null || keys >= before.keys * LEAST_SHARE) return [];
  return [{ code: 'shrunk', detail: `it has ${keys} keys, there were ${before.keys} at ${before.id}` }];
}

interface Reference {
  readonly id: string;
  readonly keys: number;
}

/**
 * The snapshot to compare with: `latest`. Where there is none, because a signing key was just set or all snapshots lack
 * something, the largest other snapshot of this database: a snapshot of an emptied database must not become `latest`
 * unnoticed.
 */
async function referenceOf(context: TrustContext): Promise<Reference | null> {
  const latest = await latestTrusted(context);
  if (latest !== null) return { id: latest.id, keys: latest.manifest?.counts.keys ?? 0 };
  let most: Reference | null = null;
  for await (const { id, manifest } of catalog(context.store)) {
    if (manifest === null || manifest.purpose === 'safety' || context.sources?.has(manifest.source) !== true) continue;
    const keys = Math.max(manifest.counts.keys, manifest.dbsize.before);
    if (most === null || keys > most.keys) most = { id, keys };
  }
  return most;
}
