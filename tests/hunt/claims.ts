import type { PlainDump } from '../support/plain-dump.js';
import { readPlainManifest, readPlainSnapshot } from '../support/plain-snapshot.js';
import { isOfProject } from './data.js';
import type { Outcome } from './product.js';
import type { Command } from './steps.js';
import { isNear, same, shown } from './truth.js';
import { dump, objects, onDisk, type Known, type World } from './world.js';

/** Something that the product said and that is not so. */
export class Lie extends Error {
  constructor(
    readonly claim: string,
    readonly fact: string,
    readonly outcome: Outcome | null,
  ) {
    super(`${claim}: ${fact}`);
  }
}

/** What happened to the database while a command ran. */
export interface Watched {
  readonly outcome: Outcome;
  readonly before: PlainDump;
  readonly after: PlainDump;
  /** Keys that were changed from outside meanwhile. */
  readonly touched: ReadonlySet<string>;
  readonly meddled: boolean;
  readonly faulty: boolean;
}

/** Codes and words that no command may ever end with. */
export function checkWords(outcome: Outcome): void {
  const { code, json, text } = outcome;
  const error = json?.['error'] as { code?: string } | null | undefined;
  if (/Unexpected |defect in soulcaster/.test(text) || error?.code === 'internal') {
    throw new Lie('no command ends with a defect', text.slice(-500), outcome);
  }
  if (json === null) throw new Lie('--json prints one document', 'it printed none', outcome);
  if ((code === 0) !== (error === null || error === undefined)) {
    throw new Lie('the exit code agrees with what is printed', `exit ${code}, error ${JSON.stringify(error)}`, outcome);
  }
}

/** Reads every snapshot that is new by its format, and holds it against what stood in the database all the while. */
export async function learn(world: World, watched: Watched, step: Command): Promise<void> {
  for (const name of objects(world.folder)) {
    const id = /^snapshots\/([^/]+)\/manifest\.json$/.exec(name)?.[1];
    if (id === undefined || world.known.has(id) || id.endsWith('forged'.slice(0, 6))) continue;
    const manifest = await readPlainManifest(world.folder, id).catch(() => null);
    if (manifest === null) continue;
    const held = await readPlainSnapshot(world.folder, id, world.keys.identity);
    const of = step.run === 'backup-other' ? 'other' : 'main';
    const safety = manifest.purpose === 'safety';
    const complete = manifest.state === 'complete';
    const [before, after] =
      of === 'main' ? [watched.before, watched.after] : [await dump(world.other), await dump(world.other)];
    if (complete) heldTo(world, { id, held, before, after, watched, step, safety });
    if (manifest.counts.keys !== held.size) {
      throw new Lie(
        'the manifest counts the keys',
        `${id} says ${manifest.counts.keys} and holds ${held.size}`,
        watched.outcome,
      );
    }
    const doubts = safety ? ['safety'] : doubtsOf(world, held, before, after, id, of);
    world.known.set(id, { id, of, safety, held, complete, doubts, takenAt: Date.now(), touched: false });
  }
}

interface Held {
  readonly id: string;
  readonly held: PlainDump;
  readonly before: PlainDump;
  readonly after: PlainDump;
  readonly watched: Watched;
  readonly step: Command;
  readonly safety: boolean;
}

function heldTo(world: World, { id, held, before, after, watched, step, safety }: Held): void {
  const scope = 'scope' in step ? step.scope : 'all';
  const now = Date.now();
  for (const [key, entry] of before) {
    const stable = safety || same(entry, after.get(key));
    if (!stable || watched.touched.has(key) || isNear(entry, now) || entry.type === 'vectorset') continue;
    if (safety && scope !== 'all' && !isOfProject(key, scope)) continue;
    if (!same(entry, held.get(key))) {
      throw new Lie(
        'a complete snapshot holds every key that stood unchanged',
        `${id}: ${shown(key, entry, held.get(key))}`,
        watched.outcome,
      );
    }
  }
  if (watched.meddled || safety) return;
  for (const [key, entry] of held) {
    if (!before.has(key) && !isNear(entry, now))
      throw new Lie('a snapshot holds only what was there', `${id}: ${shown(key, undefined, entry)}`, watched.outcome);
  }
  if (world.setting.engine === 0 && [...before.values()].some(({ type }) => type === 'vectorset')) return;
}

function doubtsOf(
  world: World,
  held: PlainDump,
  before: PlainDump,
  after: PlainDump,
  id: string,
  of: string,
): string[] {
  const doubts: string[] = [];
  if (of === 'main' && world.unfinished.size > 0) doubts.push('unfinished');
  if (after.size + 2 < before.size / 2) doubts.push('emptied');
  const last = eligible(world)
    .filter((each) => each.of === of && each.id < id)
    .at(-1);
  if (last !== undefined && held.size < last.held.size / 2) doubts.push('shrunk');
  if (timeOf(id) > Date.now() + 60_000) doubts.push('future');
  return doubts;
}

function timeOf(id: string): number {
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(id) ?? [];
  return Date.UTC(Number(y), Number(mo) - 1, Number(d), Number(h), Number(mi), Number(s));
}

/** Snapshots of the main database that the hunt would trust, oldest first. */
export function eligible(world: World): Known[] {
  return [...world.known.values()]
    .filter(
      (each) =>
        each.of === 'main' && each.complete && !each.safety && each.doubts.length === 0 && onDisk(world, each.id),
    )
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** What the product calls trusted has to be so. */
export function trusted(world: World, id: unknown, what: string, outcome: Outcome): Known {
  const known = world.known.get(String(id));
  if (known === undefined) throw new Lie(what, `${String(id)} is no snapshot that was taken here`, outcome);
  const why = [
    ...(known.of === 'other' ? ['of another source'] : []),
    ...(known.complete ? [] : ['incomplete']),
    ...(known.safety ? ['a safety snapshot'] : []),
    ...known.doubts,
  ];
  if (why.length > 0) throw new Lie(what, `${known.id} is ${why.join(', ')}`, outcome);
  return known;
}

export function unchanged(watched: Watched, who: string): void {
  const now = Date.now();
  for (const key of new Set([...watched.before.keys(), ...watched.after.keys()])) {
    const [a, b] = [watched.before.get(key), watched.after.get(key)];
    const near = [a, b].some((entry) => entry !== undefined && isNear(entry, now));
    if (near || watched.touched.has(key) || same(a, b)) continue;
    throw new Lie(`${who} changes nothing`, shown(key, a, b), watched.outcome);
  }
}

export function claimed(world: World, outcome: Outcome, what: string): void {
  const known = world.known.get(String(outcome.json?.['snapshot']));
  if (known === undefined || !known.complete)
    throw new Lie(
      `a ${what} that ended well left a complete snapshot`,
      JSON.stringify(outcome.json).slice(0, 300),
      outcome,
    );
}

/** That nothing newer is just as good. */
export function newest(world: World, known: Known, outcome: Outcome): void {
  if (world.touchedControl || world.skewed) return;
  const better = eligible(world).filter((each) => !each.touched && each.id > known.id);
  if (better.length > 0)
    throw new Lie(
      'latest is the newest that is trusted',
      `${better.at(-1)?.id ?? ''} is newer than ${known.id}`,
      outcome,
    );
}

export async function checkVerify(world: World, outcome: Outcome, id: string): Promise<void> {
  const known = world.known.get(id);
  if (known === undefined) return;
  if (outcome.code === 0) return heldStill(world, known, 'verified', outcome);
  const code = (outcome.json?.['error'] as { code?: string } | undefined)?.code ?? '';
  if (world.everTampered || code === 'locked' || world.skewed) return;
  throw new Lie('what nobody touched is not damaged', JSON.stringify(outcome.json).slice(0, 400), outcome);
}

async function heldStill(world: World, known: Known, what: string, outcome: Outcome): Promise<void> {
  const held = await readPlainSnapshot(world.folder, known.id, world.keys.identity).catch((error: unknown) =>
    String(error),
  );
  if (typeof held === 'string') throw new Lie(`what is ${what} can be read`, `${known.id}: ${held}`, outcome);
  for (const key of new Set([...held.keys(), ...known.held.keys()])) {
    if (!same(known.held.get(key), held.get(key))) {
      throw new Lie(
        `what is ${what} is as it was taken`,
        `${known.id}: ${shown(key, known.held.get(key), held.get(key))}`,
        outcome,
      );
    }
  }
}

export async function checkDrill(world: World, outcome: Outcome): Promise<void> {
  const known = trusted(world, outcome.json?.['snapshot'], 'a drill that passed tried a trusted snapshot', outcome);
  await heldStill(world, known, 'drilled', outcome);
  const left = await dump(world.scratch);
  if (left.size > 0) throw new Lie('a drill wipes what it filled', [...left.keys()].join(', '), outcome);
}

export function checkPruned(world: World, outcome: Outcome): void {
  const kept = [...world.known.values()].filter(
    (each) => each.of === 'main' && each.complete && !each.safety && each.doubts.length === 0 && !each.touched,
  );
  const last = kept.sort((a, b) => (a.id < b.id ? -1 : 1)).at(-1);
  if (last === undefined || world.everTampered || world.skewed || onDisk(world, last.id)) return;
  throw new Lie('a prune keeps the newest trusted snapshot', `${last.id} is gone`, outcome);
}
