import type { PlainDump } from '../support/plain-dump.js';
import { readPlainSnapshot } from '../support/plain-snapshot.js';
import type { Outcome } from './product.js';
import { agree, type Window } from './times.js';
import { shown } from './truth.js';
import { dump, eligible, objections, onDisk, type Known, type Place, type World } from './world.js';

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

/** What happened to a database while a command ran. */
export interface Watched {
  readonly outcome: Outcome;
  readonly before: PlainDump;
  readonly after: PlainDump;
  readonly window: Window;
  /** By how much the command's clock was ahead, in milliseconds. */
  readonly skewMs: number;
  /** Keys that were changed from outside meanwhile. */
  readonly touched: ReadonlySet<string>;
  readonly meddled: boolean;
  readonly faulty: boolean;
  /** Whether the database was full, or refused commands. */
  readonly hindered: boolean;
}

/** Codes and words that no command may ever end with. */
export function checkWords(outcome: Outcome): void {
  const { code, json, text } = outcome;
  const error = json?.['error'] as { code?: string } | null | undefined;
  if (/Unexpected |defect in soulcaster/.test(text) || error?.code === 'internal') {
    throw new Lie('no command ends with a defect', text.slice(-500), outcome);
  }
  if (json === null) throw new Lie('--json prints one document', 'it printed none', outcome);
  // These two say with their code how things are.
  if (['guard', 'status'].includes(outcome.args[0] ?? '')) return;
  const refused = outcome.args.includes('--unsigned') && JSON.stringify(json).includes('"refused"');
  if ((code === 0) !== (error === null || error === undefined) && !refused) {
    throw new Lie('the exit code agrees with what is printed', `exit ${code}, error ${JSON.stringify(error)}`, outcome);
  }
}

/** What the product calls trusted has to be so. */
export function trusted(world: World, id: unknown, what: string, outcome: Outcome, place: Place = 'store'): Known {
  const known = world.known[place].get(String(id));
  if (known === undefined) throw new Lie(what, `${String(id)} is no snapshot that was taken here`, outcome);
  const why = objections(world, known);
  if (why.length > 0) throw new Lie(what, `${known.id} is ${why.join(', ')}`, outcome);
  return known;
}

export function unchanged(watched: Omit<Watched, 'skewMs' | 'meddled' | 'faulty' | 'hindered'>, who: string): void {
  for (const key of new Set([...watched.before.keys(), ...watched.after.keys()])) {
    const [a, b] = [watched.before.get(key), watched.after.get(key)];
    if (watched.touched.has(key) || agree(a, b, watched.window)) continue;
    throw new Lie(`${who} changes nothing`, shown(key, a, b), watched.outcome);
  }
}

export function claimed(world: World, outcome: Outcome, what: string): void {
  const known = world.known.store.get(String(outcome.json?.['snapshot']));
  if (known === undefined || !known.complete)
    throw new Lie(
      `a ${what} that ended well left a complete snapshot`,
      JSON.stringify(outcome.json).slice(0, 300),
      outcome,
    );
}

/**
 * That nothing newer is just as good. `until`: of those that were finished by then. `began`: when the command did, beside
 * which another one may have taken a snapshot.
 */
export function newest(
  world: World,
  known: Known,
  outcome: Outcome,
  place: Place,
  { began = Infinity, until = Infinity }: { readonly began?: number; readonly until?: number } = {},
): void {
  if (known.finishedAt > until)
    throw new Lie('--at takes what was finished by then', `${known.id}: ${known.finishedAt} > ${until}`, outcome);
  if (world.touchedControl || world.skewed || (place === 'replica' && world.vouched)) return;
  const better = eligible(world, place).filter(
    (each) => !each.touched && !each.uncertain && each.id > known.id && each.finishedAt <= Math.min(until, began),
  );
  if (better.length > 0)
    throw new Lie(
      'latest is the newest that is trusted',
      `${better.at(-1)?.id ?? ''} is newer than ${known.id}`,
      outcome,
    );
}

export async function checkVerify(world: World, outcome: Outcome, id: string, place: Place): Promise<void> {
  const known =
    id === 'latest' && outcome.code === 0
      ? trusted(world, outcome.json?.['snapshot'], 'latest is trusted', outcome, place)
      : world.known[place].get(id);
  // One that was killed says nothing.
  if (known === undefined || outcome.code === null) return;
  if (outcome.code === 0) return heldStill(world, known, 'verified', outcome, place);
  const code = (outcome.json?.['error'] as { code?: string } | undefined)?.code ?? '';
  if (world.everTampered || code === 'locked' || world.skewed || (world.signed && !known.signed)) return;
  throw new Lie('what nobody touched is not damaged', JSON.stringify(outcome.json).slice(0, 400), outcome);
}

export async function heldStill(
  world: World,
  known: Known,
  what: string,
  outcome: Outcome,
  place: Place = 'store',
): Promise<void> {
  const held = await readPlainSnapshot(world.folders[place], known.id, world.keys.identity, true).catch(String);
  if (typeof held === 'string') throw new Lie(`what is ${what} can be read`, `${known.id}: ${held}`, outcome);
  const never = { from: 0, to: 0 };
  for (const key of new Set([...held.keys(), ...known.held.keys()])) {
    if (!agree(known.held.get(key), held.get(key), never)) {
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

export function checkPruned(world: World, outcome: Outcome, before: readonly Known[], place: Place): void {
  const last = before.filter(({ touched }) => !touched).at(-1);
  if (last === undefined || world.everTampered || world.skewed || onDisk(world, last.id, place)) return;
  throw new Lie('a prune keeps the newest trusted snapshot', `${last.id} is gone`, outcome);
}

/** What was copied is in the second store as it was taken. */
export async function checkReplica(world: World, outcome: Outcome): Promise<void> {
  if (outcome.code !== 0) return;
  const {
    damaged = [],
    conflicts = [],
    left,
  } = outcome.json as {
    damaged?: string[];
    conflicts?: string[];
    left?: number;
  };
  for (const known of eligible(world)) {
    if (known.touched || damaged.length + conflicts.length > 0 || (left ?? 0) > 0) continue;
    // Its own prune may have let it go again, but never the newest.
    const isNewest = known === eligible(world).at(-1);
    if (!onDisk(world, known.id, 'replica') && isNewest && !world.touchedControl && !world.skewed)
      throw new Lie('a replication that ended well copied all', `${known.id} is not in the second store`, outcome);
    if (onDisk(world, known.id, 'replica') && world.known.replica.get(known.id)?.touched !== true)
      await heldStill(world, known, 'copied', outcome, 'replica');
  }
}
