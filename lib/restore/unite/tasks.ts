import { isUtf8 } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import type { Json } from '../../json.js';
import type { RedisPort } from '../../ports/redis.js';
import { encryptName } from '../../snapshot/ledger.js';
import { isDue, keyOf } from '../../snapshot/record.js';
import type { RunRecord } from '../../runs/model.js';
import { classifyKey } from '../../soulcaster/keys.js';
import { keepLocks } from '../../soulcaster/locks.js';
import type { LedgerKey } from '../../snapshot/manifest.js';
import type { LackFinder, Needs } from '../abilities.js';
import { openContext, spentSince, type RestoreContext, type RestorePorts } from '../context.js';
import { allSourceKeys } from '../working-objects.js';
import type { TargetRecord } from '../model.js';
import { countAction, countLack, countType, addName, addExample, type Plan, type BitWriter } from '../plan.js';
import { countKey, type Proof, type Verdict } from '../proof.js';
import { stagingPrefix } from '../target.js';
import { listMode } from '../scope.js';
import type { ComparisonContext } from './compare-pages.js';
import { plannedDangling, withoutDangling } from './dangling.js';
import { allLines, runCommands, memberPages, membersOf, NAME_BYTES } from './members.js';
import { placementPrefix, placementWriter, readPlacements, type Placements, type PlacementWriter } from './placed.js';
import { listAction, listOf, uniter, type ListOutcome, type Uniter } from './unite.js';

/** Object name prefixes for the members of grouped lists: in the live database before the first write, and in the snapshot. */
export const livePlacements = (run: string): string => `${placementPrefix(run)}live-`;
export const sourcePlacements = (run: string): string => `${placementPrefix(run)}source-`;

/** Whether the record is a list to unite; expired lists are handled as values, like other keys. */
function isListToUnite(record: TargetRecord, input: RestoreContext['input']): boolean {
  const found = record.expired ? null : listOf(keyOf(record.first), listMode(input));
  return found !== null && record.first.t === found.list.type;
}

async function* valuesOnly(
  context: RestoreContext,
  records: AsyncIterable<TargetRecord>,
  lists: Uniter | null,
): AsyncGenerator<TargetRecord> {
  for await (const record of records) {
    if (isListToUnite(record, context.input)) await lists?.add(record);
    else yield record;
  }
}

/**
 * The records of one part that are compared as values for its plan: all in mode `replace`, except for items. `lists` receives
 * the others; the caller finishes it after the values, so that the plan and the proof name both in one order. `dangling`: see
 * `withoutDangling`.
 */
export async function* plannedRecords(
  ports: RestorePorts,
  context: RestoreContext,
  run: string,
  records: AsyncIterable<TargetRecord>,
  lists: Uniter | null,
  plan: Plan,
  dangling: BitWriter,
): AsyncGenerator<TargetRecord> {
  if (listMode(context.input) === 'replace') yield* records;
  else {
    const keys = await allSourceKeys(ports.store, run, context.manifest);
    yield* withoutDangling(ports, context, keys, valuesOnly(context, records, lists), plan, dangling);
  }
}

/** Like `plannedRecords` for the proof, without the keys that the plan left out. */
export async function* provenRecords(
  ports: RestorePorts,
  context: RestoreContext,
  run: RunRecord,
  task: number,
  records: AsyncIterable<TargetRecord>,
  lists: Uniter | null,
): AsyncGenerator<TargetRecord> {
  const isValue = await valueFilter(ports, context, run, task);
  for await (const record of records) {
    if (isListToUnite(record, context.input)) await lists?.add(record);
    else if (isValue(record)) yield record;
  }
}

/** Selects the records of one part that are written as values, by its plan. Must be called once with each record, in order. */
export async function valueFilter(
  ports: RestorePorts,
  context: RestoreContext,
  run: RunRecord,
  task: number,
): Promise<(record: TargetRecord) => boolean> {
  if (listMode(context.input) === 'replace') return () => true;
  const keys = await allSourceKeys(ports.store, run.id, context.manifest);
  const isDangling = await plannedDangling(ports, run, task, keys);
  return (record) => !isListToUnite(record, context.input) && !isDangling(record);
}

/** Counts lists into a plan, and in mode `merge` records where the snapshot has their members. */
export async function planLists(
  ports: RestorePorts,
  context: RestoreContext,
  run: string,
  task: number,
  plan: Plan,
  finder: LackFinder,
): Promise<Uniter> {
  const { input, redis, state } = context;
  const mode = listMode(input);
  // All keys of the snapshot: it may hold an item that a scope of lists leaves out.
  const keys = await allSourceKeys(ports.store, run, context.manifest);
  const places = mode === 'merge' ? placementWriter() : null;
  const isItems = 'items' in input.scope;
  const report = async (outcome: ListOutcome): Promise<void> => {
    const action = listAction(outcome, mode);
    const name = (): Promise<LedgerKey> => encryptName(ports.encryptor, outcome.key);
    countAction(plan, outcome.known.family, action);
    if (outcome.expiry && mode === 'merge') plan.lists.expiry += 1;
    if (outcome.lacking > 0 && (action === 'write' || action === 'unite' || action === 'overwrite'))
      countType(plan, outcome.record.first.t);
    for (const code of await finder.find(needsOf(outcome, comparison))) await countLack(plan, code, name);
    if (outcome.live !== 'other' && outcome.live !== 'unsavable') plan.lists.added += outcome.lacking;
    else {
      plan.lists.wrongType += 1;
      await addName(plan.lists.wrong, name);
    }
    if ((isItems || action !== 'write') && action !== 'same') await addExample(plan, action, name);
  };
  const comparison: ComparisonContext = {
    redis,
    mode,
    isItems,
    safety: input.safety,
    placed: await loadLivePlacements(ports, context, run),
    // Keys of the snapshot outside the scope are not written.
    coming: (key) => keys.has(key) && context.belongs(key, classifyKey(key.toString('utf8'))) === 'owned',
  };
  const lists = state.targetEmpty ? countingUniter(redis, report) : uniter(comparison, report, null);
  return {
    async add(record) {
      await lists.add(places === null ? record : withPlacements(record, places));
    },
    async finish() {
      await lists.finish();
      await places?.save(ports.store, `${sourcePlacements(run)}${String(task).padStart(6, '0')}`);
    },
  };
}

/**
 * Counts lists for an empty target. Nothing has to be read, except that members larger than a request are sent to the
 * target: what it cannot take must be found before anything is written.
 */
function countingUniter(redis: RedisPort, report: (outcome: ListOutcome) => Promise<void>): Uniter {
  return {
    async add(record) {
      const key = keyOf(record.first);
      const known = classifyKey(key.toString('utf8'));
      let lacking = 0;
      let scripts = record.rest !== null;
      for await (const line of allLines(record.first, record.rest)) {
        const members = membersOf(line);
        lacking += members.length;
        scripts ||= members.some(({ name }) => !isUtf8(name)) || [...memberPages(members)].length > 1;
        const large = members.filter(({ name }) => name.length > NAME_BYTES);
        for (const { name } of large) await runCommands(redis, [['SMISMEMBER', key, name]]);
      }
      if (lacking === 0) return;
      await report({ record, key, known, live: 'none', lacking, differ: 0, expiry: false, scripts });
    },
    finish: () => Promise.resolve(),
  };
}

/** What uniting a list as planned requires. Its members do not count as memory: most are already there. */
function needsOf({ expiry, lacking, live, record, scripts }: ListOutcome, { isItems, mode }: ComparisonContext): Needs {
  const isMerge = mode === 'merge';
  const isLeft = live === 'unsavable' || (live === 'other' && !isMerge);
  const isMade = live === 'none' || live === 'other';
  const expires = (lacking > 0 && (isMade || (isMerge && !isItems))) || (expiry && isMerge);
  return {
    json: false,
    binary: scripts && lacking > 0 && !isLeft,
    fieldExpiry: null,
    expiry: expires && !isLeft ? (record.first.x ?? null) : null,
    bytes: 0,
  };
}

function withPlacements(record: TargetRecord, places: PlacementWriter): TargetRecord {
  const key = keyOf(record.first);
  const known = classifyKey(key.toString('utf8'));
  const recordLine = (line: TargetRecord['first']): void => {
    for (const { name } of membersOf(line)) places.add(known, key, name);
  };
  recordLine(record.first);
  const { rest } = record;
  if (rest === null) return record;
  return {
    ...record,
    rest: (async function* () {
      for await (const line of rest) {
        recordLine(line);
        yield line;
      }
    })(),
  };
}

/** Adds the missing members of one part's lists. Runs after all other keys: a member is added only when its own key exists. */
export async function uniteTask(
  ports: RestorePorts,
  run: RunRecord,
  records: (context: RestoreContext) => AsyncIterable<TargetRecord>,
  signal: AbortSignal,
): Promise<Json> {
  const context = await openContext(ports, run, signal);
  const { input, redis, state } = context;
  const before = redis.usage();
  await keepLocks(redis, state.projects, run.id);
  const counts = { lists: 0, members: 0 };
  const report = (outcome: ListOutcome): void => {
    if (outcome.lacking === 0) return;
    counts.lists += 1;
    counts.members += outcome.lacking;
  };
  const comparison = await comparisonContextOf(ports, context, run.id);
  const lists = uniter(comparison, report, () => `${stagingPrefix(run.id)}${randomUUID()}`);
  for await (const record of records(context)) if (isListToUnite(record, input)) await lists.add(record);
  await lists.finish();
  return { ...counts, spent: spentSince(redis, before) };
}

async function comparisonContextOf(
  ports: RestorePorts,
  context: RestoreContext,
  run: string,
): Promise<ComparisonContext> {
  const { input, redis } = context;
  const placed = await loadLivePlacements(ports, context, run);
  return { redis, mode: listMode(input), isItems: 'items' in input.scope, safety: input.safety, placed, coming: null };
}

/** Proves the lists of one part: no member of the snapshot may be missing. */
export async function proveLists(
  ports: RestorePorts,
  context: RestoreContext,
  run: string,
  proof: Proof,
): Promise<Uniter> {
  const mode = listMode(context.input);
  const report = async (outcome: ListOutcome): Promise<void> => {
    const { key, lacking, live, record } = outcome;
    const isOver = record.first.x !== undefined && isDue(record.first.x, context.now());
    const verdict = isOver && live === 'none' ? 'expired' : verdictOf(outcome, mode);
    await countKey(ports, proof, key, verdict, lacking > 0 ? 'members' : 'expiry');
  };
  return uniter(await comparisonContextOf(ports, context, run), report, null);
}

function verdictOf({ differ, expiry, lacking, live }: ListOutcome, mode: string): Verdict {
  if (live === 'unsavable') return mode === 'missing' ? 'kept' : 'blocked';
  if (live === 'other') return mode === 'missing' ? 'kept' : 'different';
  if (lacking > 0) return live === 'none' ? 'missing' : 'different';
  if (expiry && mode === 'merge') return 'different';
  return live === 'none' || differ > 0 || expiry ? 'kept' : 'equal';
}

/** The lists of live members before the first write; used by mode `missing` only. */
async function loadLivePlacements(
  ports: RestorePorts,
  { input, state }: RestoreContext,
  run: string,
): Promise<Placements | null> {
  if (input.mode !== 'missing' || state.targetEmpty) return null;
  return readPlacements(ports.store, livePlacements(run));
}
