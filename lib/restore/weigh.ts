import type { Attempt, StepOutcome, RunFailure } from '../runs/model.js';
import { encryptName } from '../snapshot/ledger.js';
import { hashSet } from '../redis/key-sets.js';
import { AppError } from '../errors.js';
import type { RedisPort } from '../ports/redis.js';
import { absentKey, runOne } from '../redis/run-one.js';
import { parseRestoreCheckpoint, enterPhase, type RestoreCheckpoint } from './checkpoint.js';
import { addSpent, openContext, spentSince, type RestoreContext, type RestorePorts } from './context.js';
import { extraFinder } from './extras.js';
import { isOwnKey } from './target.js';
import { namesOf } from './result.js';
import { addPlan, countAction, noPlan, addName, addExample, type Plan } from './plan.js';
import type { PlanResult } from './plan-task.js';
import { isInVectors, projectsOf } from './scope.js';
import { enterSafety, type Saved } from './safety.js';
import { tidyUpPlan } from './working-objects.js';
import { acceptanceOf, staysMarked } from './unfinished.js';
import { misplacedFinder } from './unite/moves.js';
import { countJoins, countLeaves } from './user-projects.js';
import { blockedFailure, stateOf } from './verdict.js';
import { continueLater, walk, type KeyVisitor } from './live.js';
import { lackHint, lackWords, SCRATCH_HINT } from './abilities.js';
import type { RestoreInput } from './model.js';
import { shownName } from './write/errors.js';

/** Evaluates the plan: adds up the tasks' plans and the keys to remove, then refuses, concludes or continues. */
export async function evaluatePlanStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const context = await openContext(ports, attempt.run, attempt.signal);
  const before = context.redis.usage();
  const first = context.state.cursor === null;
  const plan = first ? await collectPlans(attempt, context) : (context.state.plan ?? noPlan());
  const affected = { projects: new Set(context.state.projects), vectors: new Set(context.state.vectors) };
  const walked = needsWalk(context)
    ? await walk(context.redis, attempt, context.state, await extraCounter(ports, attempt, context, plan, affected))
    : null;
  const spent = addSpent(context.state.spent, spentSince(context.redis, before));
  const { projects, vectors } = affected;
  const state = { ...context.state, plan, spent, projects: [...projects].sort(), vectors: [...vectors].sort() };
  if (walked !== null && walked.cursor !== null) return continueLater(state, walked);
  const isOver = context.input.dryRun || objectionTo(context.input, state) !== null;
  if (isOver) return enterPhase('conclude', state, 0, ports.clock.now());
  const lacking = await findRefusedWrites(context.redis, plan);
  if (lacking !== null) return enterPhase('condemn', { ...state, lacking }, 0, ports.clock.now());
  const now = ports.clock.now();
  if (!context.input.safety) return enterPhase('fence', { ...state, undo: 'skipped' }, 0, now);
  return enterSafety(state, attempt.run.id, await collectSaved(attempt), now);
}

/** Whether the target is searched for keys to remove or members to move: not for an empty target, nor in mode `missing`. */
function needsWalk({ input, state }: RestoreContext): boolean {
  return input.mode !== 'missing' && !state.targetEmpty;
}

async function collectPlans(attempt: Attempt, context: RestoreContext): Promise<Plan> {
  const plan = noPlan();
  for await (const { result } of attempt.results('plan')) addPlan(plan, (result as unknown as PlanResult).plan);
  plan.usersJoined = await countJoins(context);
  plan.usersLeft = countLeaves(context);
  plan.goneClusters = context.state.goneClusters.length;
  return plan;
}

/** Projects of the restore, and those with changes that go into vectors. */
interface AffectedProjects {
  readonly projects: Set<string>;
  readonly vectors: Set<string>;
}

/** Counts keys and list members to remove. Removed keys may be of projects that the snapshot lacks. */
async function extraCounter(
  ports: RestorePorts,
  attempt: Attempt,
  context: RestoreContext,
  plan: Plan,
  affected: AffectedProjects,
): Promise<KeyVisitor> {
  const collectAgain = async (): Promise<void> => void Object.assign(plan, await collectPlans(attempt, context));
  const misplaced = await misplacedFinder(ports, context, attempt.run.id);
  const isReplaced = context.input.mode === 'replace';
  const namesProjects = !('all' in context.input.scope) && projectsOf(context.input.scope).length === 0;
  const isExtra = await extraFinder(ports, context, attempt.run.id);
  // SCAN may return a key twice; within one attempt it is counted once.
  let seen = hashSet();
  return {
    async visit(keys) {
      if (misplaced !== null) {
        for await (const { live, names } of misplaced(keys)) {
          plan.lists.moved += names.length;
          await addName(plan.lists.losing, () => encryptName(ports.encryptor, live.key));
        }
      }
      if (!isReplaced) return;
      for (const live of keys) {
        if (!live.supported || isOwnKey(live.key) || !isExtra(live) || !seen.add(live.key)) continue;
        countAction(plan, live.known.family, 'remove');
        const { project } = live.known;
        if (namesProjects && project !== null) affected.projects.add(project);
        if (isInVectors(live.known)) affected.vectors.add(project ?? '');
        await addExample(plan, 'remove', () => encryptName(ports.encryptor, live.key));
      }
    },
    async restart() {
      seen = hashSet();
      await collectAgain();
    },
  };
}

async function collectSaved(attempt: Attempt): Promise<Saved[]> {
  const saved: Saved[] = [];
  for await (const { result } of attempt.results('plan')) {
    const { saved: some } = result as unknown as PlanResult;
    if (some !== undefined) saved.push(some);
  }
  return saved;
}

/**
 * Ends a dry run, and a restore that the target cannot take. A separate phase: the key hashes are removed, and the plan
 * must not be made again without them.
 */
export async function concludeStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const state = parseRestoreCheckpoint(attempt.run.checkpoint);
  const context = await openContext(ports, attempt.run, attempt.signal);
  const { input, manifest } = context;
  const marked = await staysMarked(ports.store, context);
  const { plan, spent: serial, startedAt } = state;
  let spent = serial;
  for await (const { result } of attempt.results('plan'))
    spent = addSpent(spent, (result as unknown as PlanResult).spent);
  await tidyUpPlan(ports.store, attempt.run.id);
  const names = namesOf(ports, manifest, input.target);
  const accepted = await acceptanceOf(ports.store, context);
  const milliseconds = ports.clock.now() - startedAt;
  const result = { ...input, names, accepted, staysMarked: marked, plan, spent, milliseconds };
  const error = objectionTo(input, state) ?? blockedFailure(input, state);
  return { to: 'end', state: error === null ? 'succeeded' : stateOf(error), result, error };
}

const NAMED = 5;

/** Why a restore by this plan must not begin: the target cannot take all of it. Null when it can. */
function objectionTo(input: RestoreInput, state: RestoreCheckpoint): RunFailure | null {
  return lackFailure(input, state) ?? wrongTypeFailure(input, state) ?? noRoomFailure(input, state);
}

function lackFailure({ trigger }: RestoreInput, { plan }: RestoreCheckpoint): RunFailure | null {
  if (plan === null || plan.lacks.length === 0) return null;
  const named = plan.lacks.map((lack) => lackWords(lack, shownName)).join('; ');
  const message = `The target does not know ${named}. Nothing was written.`;
  return { code: 'not-restorable', message, hint: lackHint(plan.lacks, trigger === 'drill') };
}

/** Mode `missing` leaves a key of another type in a list's place: restored items would be in no list. */
function wrongTypeFailure({ mode }: RestoreInput, { plan }: RestoreCheckpoint): RunFailure | null {
  if (plan === null || mode !== 'missing' || plan.lists.wrongType === 0) return null;
  const { wrong, wrongType } = plan.lists;
  const names = wrong.slice(0, NAMED).map(shownName).join(', ');
  const more = wrongType > NAMED ? ` and ${wrongType - NAMED} more` : '';
  return {
    code: 'not-restorable',
    message: `Keys that are lists in the snapshot are of another type in the target. Mode missing leaves them, so restored items would be in no list: ${names}${more}. Nothing was written.`,
    hint: 'Rename or delete these keys, or restore with --mode merge, which saves and overwrites them.',
  };
}

/** Whether the plan writes data, rather than only removing keys and setting expiries. */
function needsRoom({ bytes, lists, total, usersJoined }: Plan): boolean {
  return bytes.all + lists.added + total.fail + usersJoined > 0;
}

/**
 * The error for a target that is full or would be: the first keys would be written and the rest refused, or others
 * evicted. The data take more memory than the bytes counted here, never less.
 */
function noRoomFailure({ target, trigger }: RestoreInput, { plan, abilities }: RestoreCheckpoint): RunFailure | null {
  if (plan === null || abilities === null || !needsRoom(plan)) return null;
  const { full, memory } = abilities;
  const free = memory === null ? null : memory.limit - memory.used;
  if (!full && (free === null || plan.bytes.absent <= free)) return null;
  const where = target === null ? 'The database' : `Target ${target}`;
  const usage = memory === null ? '' : ` It uses ${memory.used} of ${memory.limit} bytes.`;
  const evicts = memory?.evicts === true ? ' It would evict other keys, restored ones included.' : '';
  const needed =
    plan.bytes.all === 0
      ? 'this restore adds members to lists'
      : `this restore writes at least ${plan.bytes.all} bytes, ${plan.bytes.absent} of them of keys that are absent`;
  return {
    code: 'not-restorable',
    message: `${where} has no room: ${needed}.${usage}${evicts} Nothing was written.`,
    hint:
      trigger === 'drill'
        ? SCRATCH_HINT
        : "Raise the plan's data size (maxmemory on your own server), free some of it, or restore to another target with --target.",
  };
}

/**
 * Tries the write commands of each type (ARGV) on a key that nobody has and that is removed again, all in one script.
 * Returns the commands that the user may not run. JSON is covered by the probe of abilities.
 */
const TRY = `local writes = {
  string = {{'set', 'v'}, {'mset', 'v'}},
  hash = {{'hset', 'f', 'v'}},
  list = {{'rpush', 'v'}},
  set = {{'sadd', 'v'}},
  zset = {{'zadd', '1', 'v'}},
  stream = {{'xadd', '1-1', 'f', 'v'}},
}
local refused = {}
local function try(command)
  local reply = redis.pcall(command[1], KEYS[1], unpack(command, 2))
  local text = type(reply) == 'table' and reply.err or ''
  if string.find(text, 'NOPERM') or string.find(text, 'ermission') or string.find(text, "can't run this command") then
    refused[#refused + 1] = string.upper(command[1])
  end
end
try({'unlink'})
if #refused > 0 then return refused end
try({'pexpireat', '1'})
for i = 1, #ARGV do
  for _, command in ipairs(writes[ARGV[i]] or {}) do
    try(command)
    redis.pcall('unlink', KEYS[1])
  end
end
return refused`;

/**
 * The error if the token may not write and remove what the plan says: an ACL may allow some commands only, and the
 * restore must not find this out half-way. Null when it may, or when this cannot be determined.
 */
async function findRefusedWrites(redis: RedisPort, plan: Plan): Promise<RunFailure | null> {
  const types = Object.keys(plan.types).filter((type) => (plan.types[type] ?? 0) > 0);
  if (types.length + plan.total.remove === 0) return null;
  const refused = await tryWrites(redis, types.sort());
  if (refused.length === 0) return null;
  return {
    code: 'redis-denied',
    message: `The target's token may not run ${refused.join(', ')}, which this restore needs. Nothing was written.`,
    hint: 'Restore with the standard REST token of the target; docs/operations.md names the commands that are needed.',
  };
}

async function tryWrites(redis: RedisPort, types: readonly string[]): Promise<string[]> {
  try {
    const refused = await runOne(redis, (sdk) => sdk.eval<string[], string[]>(TRY, [absentKey()], [...types]));
    return 'value' in refused && Array.isArray(refused.value) ? refused.value : [];
  } catch (error) {
    // Scripts are denied, or the database is full: then the first write reports it.
    if (error instanceof AppError && !error.transient) return [];
    throw error;
  }
}
