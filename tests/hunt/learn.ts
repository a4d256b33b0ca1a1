import { createHash } from 'node:crypto';
import { readPlainManifest, readPlainSnapshot, type PlainManifest } from '../support/plain-snapshot.js';
import type { PlainDump } from '../support/plain-dump.js';
import { Lie, type Watched } from './claims.js';
import { agree, isOpen, same } from './times.js';
import { shown } from './truth.js';
import { dump, eligible, isBeside, objects, type Known, type Place, type Whose, type World } from './world.js';

/** Reads every snapshot that is new by its format, and holds it against what stood in the database all the while. */
export async function learn(world: World, watched: Watched, { scope, whose }: Learned): Promise<void> {
  for (const place of ['store', 'replica'] as const) {
    for (const name of objects(world.folders[place])) {
      const id = /^snapshots\/([^/]+)\/manifest\.json$/.exec(name)?.[1];
      if (id === undefined || world.known[place].has(id) || id.endsWith('forged')) continue;
      const known = await readNew(world, watched, { id, place, scope, whose });
      if (known !== null) world.known[place].set(id, known);
    }
  }
}

/** What a command was about. */
interface Learned {
  readonly whose: Whose;
  readonly scope: Known['undoes'];
}

interface New extends Learned {
  readonly id: string;
  readonly place: Place;
}

async function readNew(world: World, watched: Watched, { id, place, scope, whose }: New): Promise<Known | null> {
  const { outcome } = watched;
  const folder = world.folders[place];
  const manifest = await readPlainManifest(folder, id).catch(() => null);
  if (manifest === null) return null;
  const original = world.known.store.get(id);
  if (place === 'replica' && original?.touched === true) return { ...original };
  const held = await readPlainSnapshot(folder, id, world.keys.identity, true).catch((error: unknown) => String(error));
  // Somebody may have altered it while the command ran.
  if (typeof held === 'string') {
    if (world.everTampered) return null;
    throw new Lie('a snapshot that is there can be read', `${id}: ${held}`, outcome);
  }
  if (place === 'replica' && original !== undefined) {
    sameAs(original, held, outcome);
    return { ...original };
  }
  const safety = manifest.purpose === 'safety';
  const complete = manifest.state === 'complete';
  const isOwn = !watched.meddled || id === (outcome.json?.['run'] ?? outcome.json?.['runId']);
  const of = whoseIs(world, manifest.source);
  if (of === null) throw new Lie('a snapshot names its source', `${id}: ${manifest.source}`, outcome);
  const sides =
    of === 'other'
      ? { before: await dump(world.other), after: await dump(world.other) }
      : { before: watched.before, after: watched.after };
  const isSeen = of === 'other' || (of === 'standby') === (whose === 'standby');
  if (complete && isSeen)
    heldTo({
      id,
      held,
      ...sides,
      watched,
      safety,
      atOnce: safety && isOwn,
      partial: manifest.partial === true ? scope : null,
    });
  if (manifest.counts.keys !== held.size) {
    throw new Lie('the manifest counts the keys', `${id} says ${manifest.counts.keys} and holds ${held.size}`, outcome);
  }
  const doubts = safety ? [] : doubtsOf(world, { held, manifest, watched, ...sides }, of);
  const finishedAt = Date.parse(manifest.window.to);
  return {
    ...{ id, of, safety, held, complete, finishedAt, takenAt: Date.now(), datedAt: timeOf(id), touched: false },
    signed: world.signed,
    undoes: safety && isOwn ? scope : 'all',
    uncertain:
      world.brokenOff ||
      mayBeEmptied({ manifest, watched, ...sides }) ||
      mayBeShrunk(world, id, held.size) ||
      // With none that can be trusted it is compared with whatever else there is, one that was touched among it.
      (eligible(world).every((each) => each.id >= id || each.touched) && world.known.store.size > 0),
    standing: { doubts, adopted: false },
  };
}

/** The source is the hash of the host that the database is reached under. */
function whoseIs(world: World, source: string): Whose | null {
  const names = ['main', 'other', 'standby'] as const;
  return names.find((name) => sourceOf(world[name].url) === source) ?? null;
}

export function sourceOf(url: string): string {
  return createHash('sha256').update(new URL(url).host).digest('hex');
}

function sameAs(original: Known, held: PlainDump, outcome: Watched['outcome']): void {
  for (const key of new Set([...original.held.keys(), ...held.keys()])) {
    const [a, b] = [original.held.get(key), held.get(key)];
    if (!same(a, b)) throw new Lie('a copy is as its original', `${original.id}: ${shown(key, a, b)}`, outcome);
  }
}

interface Held {
  readonly id: string;
  readonly held: PlainDump;
  readonly before: PlainDump;
  readonly after: PlainDump;
  readonly watched: Watched;
  readonly safety: boolean;
  /** Whether it is of the moment before anything was changed. */
  readonly atOnce: boolean;
  /** The restored project where, by its manifest, it holds that one's keys and those of none; null for a whole snapshot. */
  readonly partial: string | null;
}

function heldTo({ id, held, before, after, watched, safety, atOnce, partial }: Held): void {
  const { outcome, touched, window } = watched;
  for (const [key, entry] of before) {
    const stable = atOnce || agree(entry, after.get(key), window);
    if (!stable || touched.has(key) || entry.type === 'vectorset') continue;
    if (partial !== null && !held.has(key) && !key.split(':').includes(partial)) continue;
    if (!agree(entry, held.get(key), window)) {
      throw new Lie(
        'a complete snapshot holds every key that stood unchanged',
        `${id}: ${shown(key, entry, held.get(key))}`,
        outcome,
      );
    }
  }
  if (watched.meddled || safety) return;
  for (const [key, entry] of held) {
    if (!before.has(key) && !isBeside(key) && !isOpen(entry, window))
      throw new Lie('a snapshot holds only what was there', `${id}: ${shown(key, undefined, entry)}`, outcome);
  }
}

interface Taken {
  readonly held: PlainDump;
  readonly manifest: PlainManifest;
  readonly watched: Watched;
  readonly before: PlainDump;
  readonly after: PlainDump;
}

type Sizes = Pick<Taken, 'after' | 'before' | 'manifest' | 'watched'>;

/** Where something was done from outside, nobody knows but the run itself when it counted. */
function sizesOf({ after, before, manifest, watched }: Sizes): readonly [had: number, has: number] {
  return watched.meddled ? [manifest.dbsize.before, manifest.dbsize.after] : [before.size, after.size];
}

/** Around the half of a small database a key more or less decides whether it counts as emptied, or what vanished meanwhile. */
function mayBeEmptied(sizes: Sizes): boolean {
  const [had, has] = sizesOf(sizes);
  return sizes.watched.meddled && has - 2 <= had / 2;
}

function doubtsOf(world: World, taken: Taken, of: Whose): string[] {
  const { after, before, held, manifest, watched } = taken;
  const doubts: string[] = [];
  if (of === 'main' && world.unfinished.size > 0) doubts.push('unfinished');
  const [had, has] = sizesOf({ after, before, manifest, watched });
  if (has + 2 < had / 2) doubts.push('emptied');
  if (of === 'main' && isShrunk(world, manifest.id, held.size)) doubts.push('shrunk');
  return doubts;
}

/**
 * Sizes of what a snapshot may be compared with: of the newest that can be trusted or, where objects were touched so that
 * it is not known which one that is, of all that may be it.
 */
function references(world: World, id: string): number[] {
  const before = eligible(world).filter((each) => each.id < id);
  const isSure = !world.touchedControl && !world.vouched;
  const at = isSure ? before.findLastIndex(({ touched }) => !touched) : 0;
  return world.skewed ? [] : before.slice(Math.max(0, at)).map(({ held }) => held.size);
}

/** That it is less than half of whichever it is compared with. */
function isShrunk(world: World, id: string, size: number): boolean {
  const known = references(world, id);
  return known.length > 0 && size < Math.min(...known) / 2;
}

/** That it is less than half of one of those it may be compared with, and not of another. */
function mayBeShrunk(world: World, id: string, size: number): boolean {
  return size < Math.max(0, ...references(world, id)) / 2 && !isShrunk(world, id, size);
}

function timeOf(id: string): number {
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(id) ?? [];
  return Date.UTC(Number(y), Number(mo) - 1, Number(d), Number(h), Number(mi), Number(s));
}
