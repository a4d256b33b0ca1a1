import type { Ports } from '../ports/index.js';
import { catalog } from './catalog.js';
import { latestTrusted } from './latest.js';
import type { Doubt, ManifestBody } from './manifest.js';
import { emptiedDoubt, sourceOf } from './source.js';
import { trustContext, type TrustContext } from './trust.js';
import { endedSince, marksOf, unfinishedWords, type EndedRuns, type MarkStores } from './unfinished-marks.js';

/** A snapshot with less than this share of the keys of the one before it is doubtful. */
export const LEAST_SHARE = 1 / 2;

/**
 * Why the database may not have been whole when it was read: it is the target of a restore that did not end, it lost
 * most of its keys meanwhile, or most gave way to others (`gone`, see `emptiedDoubt`), or it holds less than half of what
 * the last trusted snapshot of it holds.
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

/** The restores of the database that did not end. `but`: the run that asks, whose own mark says nothing of what it saves. */
export async function unfinishedDoubts(ports: Pick<Ports, 'redis'> & MarkStores, but: string | null): Promise<Doubt[]> {
  const marks = await marksOf(ports, sourceOf(ports.redis.host));
  return marks
    .filter(({ run }) => run !== but)
    .map((mark) => {
      const detail = `the database was the target of a restore that did not end: ${unfinishedWords(mark)}`;
      return { code: 'restore-unfinished', detail };
    });
}

/**
 * The restores of the database that ended well since `before`: the snapshot is partly of before them and partly of after. A lease
 * keeps them apart within one store; those from the second store, and of another deployment that has the database as a target, go
 * by other leases. To be called after `unfinishedDoubts`, so that none ends in between unseen.
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
 * What to compare with: `latest`. Where there is none, since a key was just set, or all there are lack something, the
 * most that any other snapshot of this database knows of: one that was emptied in that time must not become `latest`
 * without a word.
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
