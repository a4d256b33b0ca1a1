import type { PlainDump } from '../support/plain-dump.js';
import { Lie, newest, trusted, unchanged, type Watched } from './claims.js';
import { isOfProject } from './data.js';
import { listIn } from './lists.js';
import { agree, same, skewed } from './times.js';
import { expectation, planOf, shiftSeen, shown, wrongKeys, type Expectation, type RestoreStep } from './truth.js';
import type { Known, Place, Whose, World } from './world.js';

/** What a restore was asked to do. */
export interface Asked {
  readonly step: RestoreStep;
  readonly whose: Whose;
  /** The time of `--at`. */
  readonly until: number | null;
  /** The snapshot as far as the hunt knows which one is meant. */
  readonly known: Known | null;
}

export function checkRestore(world: World, asked: Asked, watched: Watched): void {
  const { step, whose } = asked;
  const { after, before, outcome, touched, window } = watched;
  if (step.run === 'dry-run') unchanged(watched, 'a dry run');
  if (step.scope !== 'all') outsideUnchanged(watched, step.scope);
  if (outcome.code !== 0) {
    const differs = [...new Set([...before.keys(), ...after.keys()])].some(
      (key) => !touched.has(key) && !agree(before.get(key), after.get(key), window),
    );
    if (whose === 'main' && step.run === 'restore') world.brokenOff = true;
    if (differs && whose === 'main' && step.run === 'restore' && !isDone(asked, watched))
      world.unfinished.add(`${step.mode} ${step.scope}`);
    world.lastUndo = null;
    return;
  }
  const known = chosen(world, asked, watched);
  const want = expected(step, known, watched);
  checkPlan(step, want, watched);
  if (step.run === 'dry-run') return;
  const wrong = wrongKeys(want, after, touched);
  if (wrong.length > 0)
    throw new Lie(
      'a restore that succeeded left what its snapshot holds',
      `${known.id}: ${wrong.slice(0, 3).join('; ')}`,
      outcome,
    );
  lostUnsupported(watched);
  if (whose === 'main') endMarks(world, step.mode, step.scope);
  world.lastUndo = watched.meddled ? null : wayBack(watched, step, whose);
}

/** One of another mode, or of a project, does not end what another one began. */
function endMarks(world: World, mode: string, scope: string): void {
  const { unfinished } = world;
  if (mode === 'replace' && scope === 'all') world.brokenOff = false;
  for (const mark of unfinished) {
    const [itsMode, itsScope] = mark.split(' ');
    if ((mode === 'replace' || mode === itsMode) && (scope === 'all' || scope === itsScope)) unfinished.delete(mark);
  }
}

/** Whether a process that was killed had come to its end all the same. */
function isDone({ known, step }: Asked, watched: Watched): boolean {
  if (known === null || step.ttl === 'shift') return false;
  return wrongKeys(expected(step, known, watched), watched.after, watched.touched).length === 0;
}

function wayBack({ before, outcome }: Watched, step: RestoreStep, whose: Whose): World['lastUndo'] {
  const words = /undo\s+(?:npx )?soulcaster-backup (restore [^\n(]+)/.exec(outcome.text)?.[1]?.trim().split(/\s+/);
  if (words === undefined) return null;
  const at = words.indexOf('--env-file');
  const args = at < 0 ? words : [...words.slice(0, at), ...words.slice(at + 2)];
  return { whose, scope: step.scope, before, args: step.replica === true ? [...args, '--replica'] : args };
}

function chosen(world: World, { step, until }: Asked, { outcome, window }: Watched): Known {
  const place: Place = step.replica === true ? 'replica' : 'store';
  const id = outcome.json?.['snapshot'];
  const isLatest = step.of === 0 || until !== null;
  if (!isLatest) {
    const known = world.known[place].get(String(id));
    if (known === undefined) throw new Lie('a restore names its snapshot', String(id), outcome);
    return known;
  }
  const known = trusted(world, id, 'latest is trusted', outcome, place);
  newest(world, known, outcome, place, { began: window.from, until: until ?? Infinity });
  return known;
}

function expected(step: RestoreStep, known: Known, watched: Watched): Expectation {
  const { after, before, outcome, skewMs, touched } = watched;
  const window = skewed(watched.window, skewMs);
  const circumstances = { known, before, window, shiftMs: 0n };
  if (step.ttl !== 'shift') return expectation(step, circumstances);
  // By the target's clock, whatever ours says. A snapshot that was finished later than that takes nothing away.
  const least = BigInt(Math.max(0, watched.window.from - known.finishedAt));
  const most = BigInt(Math.max(0, watched.window.to - known.finishedAt));
  if (step.run === 'dry-run') return expectation(step, { ...circumstances, shiftMs: least });
  const isWritten = (key: string): boolean =>
    !touched.has(key) &&
    (step.scope === 'all' || isOfProject(key, step.scope)) &&
    !(step.mode === 'missing' && before.has(key)) &&
    (step.mode === 'replace' || !before.has(key) || listIn(key, known.held.get(key)) === null) &&
    !(step.scope !== 'all' && key.startsWith('user:projects:'));
  // A time at the end of all times says nothing.
  const held = new Map([...known.held].filter(([, { expiresAt }]) => expiresAt === null || expiresAt.length < 19));
  // Of a list that was united the later of both times counts: it tells where it is the one that was added.
  const isProlonged = (key: string): boolean =>
    !touched.has(key) && before.has(key) && before.get(key)?.expiresAt !== after.get(key)?.expiresAt;
  const seen = shiftSeen(held, after, isWritten) ?? shiftSeen(held, after, isProlonged) ?? least;
  if (seen < least - 5n || seen > most + 5n)
    throw new Lie(
      '`--ttl shift` adds the time since the snapshot was finished',
      `it added ${seen} ms, and ${least} to ${most} have gone by since ${known.id}`,
      outcome,
    );
  return expectation(step, { ...circumstances, shiftMs: seen });
}

function checkPlan(step: RestoreStep, want: Expectation, watched: Watched): void {
  const total = totals(watched.outcome.json);
  if (total === undefined || !want.countable || watched.meddled) return;
  const counts = planOf(want, watched.before, step.scope);
  const wrong = Object.entries(counts).filter(([name, count]) => total[name] !== count);
  if (wrong.length > 0)
    throw new Lie(
      "a plan's figures are those of the databases",
      `computed ${JSON.stringify(counts)}, told ${JSON.stringify(total)}`,
      watched.outcome,
    );
}

function totals(json: Record<string, unknown> | null): Record<string, number> | undefined {
  return (json?.['plan'] as { total?: Record<string, number> } | undefined)?.total;
}

/** What a dry run said has to be what the restore then did. */
export function checkRehearsal(rehearsal: Watched, performed: Watched, known: Known | null): void {
  const { meddled, faulty, hindered, outcome, skewMs } = performed;
  if (meddled || faulty || hindered || skewMs !== 0) return;
  const code = (watched: Watched): string =>
    (watched.outcome.json?.['error'] as { code?: string } | null | undefined)?.code ?? '';
  if (code(rehearsal) === 'locked' || code(performed) === 'locked') return;
  const isTimed = (side: PlainDump): boolean =>
    [...side.values()].some(({ expiresAt, fields }) =>
      [expiresAt, ...Object.values(fields ?? {})].some((time) => time !== null && Number(time) < LATER),
    );
  const timed = known === null || [rehearsal.before, performed.before, known.held].some(isTimed);
  if (rehearsal.outcome.code === 0 && outcome.code === 0 && !timed) {
    const [said, did] = [totals(rehearsal.outcome.json), totals(outcome.json)];
    if (JSON.stringify(said) !== JSON.stringify(did))
      throw new Lie(
        'a dry run holds to the letter',
        `it said ${JSON.stringify(said)}, and then ${JSON.stringify(did)}`,
        outcome,
      );
  }
  if ((rehearsal.outcome.code === 0) !== (outcome.code === 0) && !REFUSED_LATER.test(code(performed)))
    throw new Lie(
      'a dry run finds what refuses the restore',
      `it ended with "${code(rehearsal)}", and the restore with "${code(performed)}"`,
      outcome,
    );
}

/** Keys whose time comes before this may come and go between two runs. */
const LATER = Date.UTC(2099, 0);
/** What only a write can meet. */
const REFUSED_LATER = /^(redis-full|redis-denied|redis-command|redis-unavailable|interrupted)$/;

function outsideUnchanged(watched: Watched, project: string): void {
  const isOutside = (key: string): boolean => !isOfProject(key, project) && !key.startsWith('user:projects:');
  const only = (side: PlainDump): PlainDump => new Map([...side].filter(([key]) => isOutside(key)));
  unchanged(
    { ...watched, before: only(watched.before), after: only(watched.after) },
    'a restore of one project, outside of it,',
  );
}

function lostUnsupported({ before, after, touched, outcome }: Watched): void {
  for (const [key, entry] of before) {
    if (entry.type === 'vectorset' && !touched.has(key) && !same(entry, after.get(key))) {
      throw new Lie('what could not be saved first is not lost', shown(key, entry, after.get(key)), outcome);
    }
  }
}

export function checkUndo(world: World, watched: Watched): void {
  const { after, outcome, touched, window } = watched;
  const undo = world.lastUndo;
  world.lastUndo = null;
  if (undo === null) return;
  const { scope } = undo;
  if (outcome.code !== 0) {
    if (undo.whose === 'main') world.brokenOff = true;
    if (undo.whose === 'main' && !isBack(undo.before, watched)) world.unfinished.add(`replace ${scope}`);
    return;
  }
  for (const key of new Set([...undo.before.keys(), ...after.keys()])) {
    const [a, b] = [undo.before.get(key), after.get(key)];
    if (touched.has(key) || agree(a, b, skewed(window, watched.skewMs))) continue;
    if (key.startsWith('user:projects:') && scope !== 'all') continue;
    throw new Lie('an undo gives what was there before', shown(key, a, b), outcome);
  }
  if (undo.whose === 'main') endMarks(world, 'replace', scope);
}

/** Whether an undo that did not end well changed nothing, or everything. */
function isBack(wanted: PlainDump, { after, before, touched, window }: Watched): boolean {
  const equals = (side: PlainDump): boolean =>
    [...new Set([...side.keys(), ...after.keys()])].every(
      (key) => touched.has(key) || agree(side.get(key), after.get(key), window),
    );
  return equals(before) || equals(wanted);
}
