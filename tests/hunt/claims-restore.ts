import type { PlainDump } from '../support/plain-dump.js';
import { Lie, newest, trusted, unchanged, type Watched } from './claims.js';
import { isOfProject } from './data.js';
import { expectation, isNear, planOf, same, shown, wrongKeys, type RestoreStep } from './truth.js';
import type { World } from './world.js';

export function checkRestore(world: World, step: RestoreStep | { run: 'undo' }, watched: Watched): void {
  const { after, before, outcome, touched } = watched;
  if (step.run === 'undo') {
    checkUndo(world, watched);
    return;
  }
  if (step.run === 'dry-run') unchanged(watched, 'a dry run');
  const now = Date.now();
  if (step.scope !== 'all') outsideUnchanged(watched, step.scope);
  if (outcome.code !== 0) {
    const differs = [...new Set([...before.keys(), ...after.keys()])].some(
      (key) =>
        !touched.has(key) &&
        !same(before.get(key), after.get(key)) &&
        ![before.get(key), after.get(key)].some((entry) => entry !== undefined && isNear(entry, now)),
    );
    if (differs) world.unfinished.add(step.scope);
    world.lastUndo = null;
    return;
  }
  const id = outcome.json?.['snapshot'];
  const known = step.of === 0 ? trusted(world, id, 'latest is trusted', outcome) : world.known.get(String(id));
  if (known === undefined) throw new Lie('a restore names its snapshot', String(id), outcome);
  if (step.of === 0) newest(world, known, outcome);
  const want = expectation(step, known, before, now);
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
  if (step.scope === 'all') world.unfinished.clear();
  else world.unfinished.delete(step.scope);
  const undo =
    /undo\s+(?:npx )?soulcaster-backup (restore [^\n(]+)/.exec(outcome.text)?.[1]?.trim().split(/\s+/) ?? null;
  world.lastUndo =
    undo === null || watched.meddled
      ? null
      : { from: undo[1] ?? '', before, args: withoutEnvFile(undo), settled: step.settle };
}

function withoutEnvFile(args: readonly string[]): string[] {
  const at = args.indexOf('--env-file');
  return at < 0 ? [...args] : [...args.slice(0, at), ...args.slice(at + 2)];
}

function checkPlan(step: RestoreStep, want: ReturnType<typeof expectation>, watched: Watched): void {
  const total = (watched.outcome.json?.['plan'] as { total?: Record<string, number> } | undefined)?.total;
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

function checkUndo(world: World, watched: Watched): void {
  const { after, outcome, touched } = watched;
  const undo = world.lastUndo;
  world.lastUndo = null;
  if (undo === null) return;
  if (outcome.code !== 0) {
    world.unfinished.add('all');
    return;
  }
  const now = Date.now();
  for (const key of new Set([...undo.before.keys(), ...after.keys()])) {
    const [a, b] = [undo.before.get(key), after.get(key)];
    const near = [a, b].some((entry) => entry !== undefined && isNear(entry, now));
    if (near || touched.has(key) || same(a, b) || key.startsWith('user:projects:')) continue;
    throw new Lie('an undo gives what was there before', shown(key, a, b), outcome);
  }
  if (!undo.args.includes('--project')) world.unfinished.clear();
}
