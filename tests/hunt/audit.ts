import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkRestore } from './claims-restore.js';
import { checkWords, Lie, newest, trusted } from './claims.js';
import { callOf } from './arguments.js';
import { limited, type Outcome } from './product.js';
import type { RestoreStep } from './truth.js';
import { dump, eligible, objections, objects, onDisk, variables, type Place, type World } from './world.js';

const HOUR_MS = 3_600_000;
/** Refusals that do not say that there is no snapshot to be trusted. */
const BESIDE_THE_POINT = ['locked', 'busy', 'not-restorable'];

/** Asks what the product says of the whole, and holds it against what is so. */
export async function audit(world: World): Promise<void> {
  await auditLatest(world);
  await auditList(world, 'store');
  if (objects(world.folders.replica).length > 0) await auditList(world, 'replica');
  await auditStatus(world);
  await auditRun(world);
}

async function auditLatest(world: World): Promise<void> {
  const before = await dump(world.main);
  const from = Date.now();
  const step: RestoreStep = { run: 'dry-run', of: 0, mode: 'replace', scope: 'all', ttl: 'keep' };
  const call = callOf(world, step);
  if (call?.asked == null) return;
  const outcome = await ask(world, call.args);
  checkWords(outcome);
  const watched = {
    ...{ outcome, before, after: await dump(world.main), window: { from, to: Date.now() }, skewMs: 0 },
    ...{ touched: new Set<string>(), meddled: false, faulty: false, hindered: world.hindered },
  };
  checkRestore(world, call.asked, watched);
  const code = (outcome.json?.['error'] as { code?: string } | undefined)?.code ?? '';
  const isExcused = world.everTampered || world.skewed || world.hindered || BESIDE_THE_POINT.includes(code);
  if (outcome.code !== 0 && eligible(world).some(({ touched, uncertain }) => !touched && !uncertain) && !isExcused)
    throw new Lie('a trusted snapshot is found', JSON.stringify(outcome.json?.['error']).slice(0, 300), outcome);
}

interface Listed {
  readonly id: string;
  readonly state: string;
  readonly purpose: string | null;
  readonly verified: boolean;
  readonly trust: string;
  readonly own: boolean | null;
  readonly keys: number | null;
}

async function auditList(world: World, place: Place): Promise<void> {
  const outcome = await ask(world, ['list', '--limit', '1000', ...(place === 'replica' ? ['--replica'] : [])]);
  checkWords(outcome);
  for (const listed of (outcome.json?.['snapshots'] ?? []) as Listed[]) checkListed(world, listed, outcome, place);
  const listed = new Set(((outcome.json?.['snapshots'] ?? []) as Listed[]).map(({ id }) => id));
  for (const { id } of world.known[place].values())
    if (onDisk(world, id, place) && !listed.has(id)) throw new Lie('a snapshot that is there is listed', id, outcome);
}

function checkListed(world: World, listed: Listed, outcome: Outcome, place: Place): void {
  const { id, keys, own, purpose, state, trust, verified } = listed;
  if (trust === 'trusted') trusted(world, id, 'what is listed as trusted is so', outcome, place);
  const known = world.known[place].get(id);
  if (known === undefined) {
    if (verified && !world.everTampered) throw new Lie('what is listed as verified was taken here', id, outcome);
    return;
  }
  const wrong = (claim: string, fact: string): Lie => new Lie(claim, `${id} ${fact}`, outcome);
  if (verified && !known.complete) throw wrong('what is listed as verified is complete', 'lacks keys');
  if (verified && world.signed && !known.signed && !known.standing.adopted)
    throw wrong('what is listed as verified is signed', 'is not');
  if (known.touched) return;
  if (keys !== known.held.size) throw wrong('the list counts the keys', `has ${known.held.size}, and not ${keys}`);
  if ((state === 'complete') !== known.complete) throw wrong('the list knows what is complete', `is ${state}`);
  if ((purpose === 'safety') !== known.safety) throw wrong('the list knows what is a safety snapshot', `is ${purpose}`);
  const mayBeOwn = known.of === 'main' || (known.of === 'other' && world.adopted);
  if ((own === true && !mayBeOwn) || (own === false && known.of === 'main'))
    throw wrong('the list knows whose a snapshot is', `is of ${known.of}`);
}

async function auditStatus(world: World): Promise<void> {
  const status = await ask(world, ['status']);
  checkWords(status);
  const json = status.json ?? {};
  const point = json['recoveryPoint'] as
    { met: boolean; newestVerified: { id: string; keys: number } | null } | undefined;
  if (json['state'] === 'ok' || point?.met === true) {
    const good = eligible(world).filter(({ takenAt }) => takenAt > Date.now() - 24 * HOUR_MS);
    if (good.length === 0)
      throw new Lie('the state is ok', 'there is no trusted snapshot of the last 24 hours', status);
  }
  if (json['state'] === 'ok' && world.unfinished.size > 0)
    throw new Lie('the state is ok', 'a restore of the database is not finished', status);
  if (point?.newestVerified != null) {
    const known = trusted(world, point.newestVerified.id, 'the recovery point is trusted', status);
    if (point.newestVerified.keys !== known.held.size && !known.touched)
      throw new Lie('the recovery point counts the keys', `${known.id} has ${known.held.size}`, status);
    newest(world, known, status, 'store');
  }
  for (const run of (json['runs'] ?? []) as { runId: string; state: string }[]) {
    const code = world.ended.get(run.runId);
    const isSure = !world.touchedControl && code !== undefined && code !== null;
    if (isSure && run.state === 'running') throw new Lie('a run that ended is over', `${run.runId} ${code}`, status);
    if (isSure && code === 0 && run.state !== 'succeeded')
      throw new Lie('status and command agree', `${run.runId} ended with 0 and is ${run.state}`, status);
  }
  const drill = (json['recoveryTime'] as { lastPassed?: { snapshot: string | null } | null } | undefined)?.lastPassed;
  if (drill != null && !world.everTampered && !world.known.store.has(drill.snapshot ?? ''))
    throw new Lie('a drill that passed is of a snapshot', String(drill.snapshot), status);
}

async function auditRun(world: World): Promise<void> {
  if (world.lastRun === null || world.touchedControl) return;
  const code = world.ended.get(world.lastRun);
  if (code === undefined || code === null) return;
  const outcome = await ask(world, ['run', world.lastRun]);
  if (code === 0 && outcome.json !== null && /failed|running/.test(String(outcome.json['state'])))
    throw new Lie('`run` and command agree', `${world.lastRun} ended with 0`, outcome);
}

const ask = (world: World, args: readonly string[]): Promise<Outcome> =>
  limited(world.product.run(args, variables(world)), args);

/** After `cancel` or `unlock` nobody holds what was to be freed. */
export function checkLease(world: World, outcome: Outcome): void {
  const { ended, run } = outcome.json as { ended?: string | null; run?: string };
  for (const name of objects(world.folders.store).filter((each) => each.startsWith('leases/'))) {
    const holder = (read(world, name) as { holder?: string | null } | null)?.holder ?? null;
    if (holder === null) continue;
    if (name === `leases/${ended}.json`) throw new Lie('a lease that was ended is free', `${holder} has it`, outcome);
    if (holder === run) throw new Lie('a run that is over holds no lease', `${run} has ${name}`, outcome);
  }
}

/** The newest run that is not over; null when there is none. */
export function runningIn(world: World): string | null {
  const runs = objects(world.folders.store).filter((name) => /^runs\/[^/]+\/run\.json$/.test(name));
  for (const name of runs.reverse()) {
    const record = read(world, name) as { id?: string; state?: string } | null;
    if (record?.state === 'running' && record.id !== undefined) return record.id;
  }
  return null;
}

function read(world: World, name: string): unknown {
  const file = join(world.folders.store, name);
  try {
    return existsSync(file) ? unsigned(JSON.parse(readFileSync(file, 'utf8'))) : null;
  } catch {
    return null;
  }
}

/** The document within what the signature stands beside. */
function unsigned(stored: unknown): unknown {
  if (typeof stored !== 'object' || stored === null) return stored;
  const { content } = stored as { content?: unknown };
  if (typeof content === 'string') return JSON.parse(content) as unknown;
  return content ?? stored;
}

/** What speaks against each snapshot that is there, for a report. */
export function knownWords(world: World): string[] {
  return [...world.known.store.values()].map(
    (known) => `${known.id} ${known.of} ${objections(world, known).join(', ')}`,
  );
}
