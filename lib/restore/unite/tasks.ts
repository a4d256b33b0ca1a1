import { isUtf8 } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import type { Json } from '../../json.js';
import type { RedisPort } from '../../ports/redis.js';
import { encryptName } from '../../snapshot/ledger.js';
import { isDue } from '../../snapshot/expiry-time.js';
import { keyOf } from '../../snapshot/record.js';
import type { RunRecord } from '../../runs/model.js';
import { classifyKey } from '../../soulcaster/keys.js';
import { keepLocks } from '../../soulcaster/locks.js';
import type { LackFinder } from '../abilities.js';
import { openContext, spentSince, type RestoreContext, type RestorePorts } from '../context.js';
import { allSourceKeys } from '../key-set.js';
import type { TargetRecord } from '../model.js';
import type { Needs } from '../needs.js';
import { countAction, countLack, countType, EXAMPLES, wantsExample, type Plan } from '../plan-counts.js';
import { countProof, wantsProof, type Proof, type Verdict } from '../proof-counts.js';
import type { BitWriter } from '../bits.js';
import { stagingPrefix } from '../staged.js';
import { listMode } from '../selected.js';
import type { ComparisonContext } from './compare-pages.js';
import { plannedDangling, withoutDangling } from './dangling.js';
import { runCommands, memberPages, membersOf, NAME_BYTES, type Member } from './members.js';
import { placedPrefix, placedWriter, readPlaced, type Placed, type PlacedWriter } from './placed.js';
import { listAction, listOf, uniter, type ListOutcome, type Uniter } from './unite.js';

/** Where the members of the live database's grouped lists were before the first write, and where the snapshot has them. */
export const livePlaces = (run: string): string => `${placedPrefix(run)}live-`;
export const sourcePlaces = (run: string): string => `${placedPrefix(run)}source-`;

/** Passes over a list that has expired, as other keys are. */
function isUnited(record: TargetRecord, input: RestoreContext['input']): boolean {
  const found = record.expired ? null : listOf(keyOf(record.first), listMode(input));
  return found !== null && record.first.t === found.list.type;
}

async function* valuesOf(
  context: RestoreContext,
  records: AsyncIterable<TargetRecord>,
  lists: Uniter | null,
): AsyncGenerator<TargetRecord> {
  for await (const record of records) {
    if (isUnited(record, context.input)) await lists?.see(record);
    else yield record;
  }
}

/**
 * The records of one part that are compared as values for its plan. Mode `replace` knows no others, but for items. `lists` sees the
 * others; to end it is the caller's, after the values, so that the plan and the proof name both in one order. `dangling`: see
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
    yield* withoutDangling(ports, context, keys, valuesOf(context, records, lists), plan, dangling);
  }
}

/** The same for the proof: what the plan left out is not missed. */
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
    if (isUnited(record, context.input)) await lists?.see(record);
    else if (isValue(record)) yield record;
  }
}

/** Which records of one part are written as values, by its plan; to be called once with each record, in order. */
export async function valueFilter(
  ports: RestorePorts,
  context: RestoreContext,
  run: RunRecord,
  task: number,
): Promise<(record: TargetRecord) => boolean> {
  if (listMode(context.input) === 'replace') return () => true;
  const keys = await allSourceKeys(ports.store, run.id, context.manifest);
  const isDangling = await plannedDangling(ports, run, task, keys);
  return (record) => !isUnited(record, context.input) && !isDangling(record);
}

/** Counts lists into a plan, and in mode `merge` notes where the snapshot has their members. */
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
  // All of the snapshot's: an item may be in it that a scope of lists alone leaves out.
  const keys = await allSourceKeys(ports.store, run, context.manifest);
  const places = mode === 'merge' ? placedWriter() : null;
  const isItems = 'items' in input.scope;
  const tell = async (outcome: ListOutcome): Promise<void> => {
    const action = listAction(outcome, mode);
    countAction(plan, outcome.known.family, action);
    if (outcome.expiry && mode === 'merge') plan.lists.expiry += 1;
    if (outcome.lacking > 0 && (action === 'write' || action === 'unite' || action === 'overwrite'))
      countType(plan, outcome.record.first.t);
    for (const code of await finder.lacks(needsOf(outcome, comparison)))
      await countLack(plan, code, () => encryptName(ports.encryptor, outcome.key));
    if (outcome.live !== 'other' && outcome.live !== 'unsavable') plan.lists.added += outcome.lacking;
    else {
      plan.lists.wrongType += 1;
      if (plan.lists.wrong.length < EXAMPLES) plan.lists.wrong.push(await encryptName(ports.encryptor, outcome.key));
    }
    if ((isItems || action !== 'write') && action !== 'same' && wantsExample(plan, action)) {
      plan.examples.push({ action, key: await encryptName(ports.encryptor, outcome.key) });
    }
  };
  const comparison: ComparisonContext = {
    redis,
    mode,
    isItems,
    safety: input.safety,
    placed: await livePlaced(ports, context, run),
    // What the snapshot holds beside the scope stays there.
    coming: (key) => keys.has(key) && context.belongs(key, classifyKey(key.toString('utf8'))) === 'owned',
  };
  const lists = state.targetEmpty ? countingUniter(redis, tell) : uniter(comparison, tell, null);
  return {
    async see(record) {
      await lists.see(places === null ? record : noting(record, places));
    },
    async end() {
      await lists.end();
      await places?.save(ports.store, `${sourcePlaces(run)}${String(task).padStart(6, '0')}`);
    },
  };
}

/**
 * Nothing has to be read of an empty target, but for members that may be larger than a request to it: they are asked for,
 * since what it cannot take must be found before anything is written.
 */
function countingUniter(redis: RedisPort, tell: (outcome: ListOutcome) => Promise<void>): Uniter {
  return {
    async see(record) {
      const key = keyOf(record.first);
      const known = classifyKey(key.toString('utf8'));
      let lacking = 0;
      let scripts = record.rest !== null;
      for await (const line of joined(record.first, record.rest)) {
        const members = membersOf(line);
        lacking += members.length;
        scripts ||= members.some(({ name }) => !isUtf8(name)) || [...memberPages(members, nameOf)].length > 1;
        const large = members.filter(({ name }) => name.length > NAME_BYTES);
        for (const { name } of large) await runCommands(redis, [['SMISMEMBER', key, name]]);
      }
      if (lacking === 0) return;
      await tell({ record, key, known, live: 'none', lacking, differ: 0, expiry: false, scripts });
    },
    end: () => Promise.resolve(),
  };
}

/** What it takes to bring a list to what the plan says. Its members are no bytes that count as room: most are there. */
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

function noting(record: TargetRecord, places: PlacedWriter): TargetRecord {
  const key = keyOf(record.first);
  const known = classifyKey(key.toString('utf8'));
  const note = (line: TargetRecord['first']): void => {
    for (const { name } of membersOf(line)) places.add(known, key, name);
  };
  note(record.first);
  const { rest } = record;
  if (rest === null) return record;
  return {
    ...record,
    rest: (async function* () {
      for await (const line of rest) {
        note(line);
        yield line;
      }
    })(),
  };
}

/** Writes what the lists of one part lack. Comes after all other keys: members are added whose own keys are there. */
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
  const tell = (outcome: ListOutcome): void => {
    if (outcome.lacking === 0) return;
    counts.lists += 1;
    counts.members += outcome.lacking;
  };
  const comparison = await comparisonContextOf(ports, context, run.id);
  const lists = uniter(comparison, tell, () => `${stagingPrefix(run.id)}${randomUUID()}`);
  for await (const record of records(context)) if (isUnited(record, input)) await lists.see(record);
  await lists.end();
  return { ...counts, spent: spentSince(redis, before) };
}

async function comparisonContextOf(
  ports: RestorePorts,
  context: RestoreContext,
  run: string,
): Promise<ComparisonContext> {
  const { input, redis } = context;
  const placed = await livePlaced(ports, context, run);
  return { redis, mode: listMode(input), isItems: 'items' in input.scope, safety: input.safety, placed, coming: null };
}

/** Proves the lists of one part: nothing of them may be lacking. */
export async function proveLists(
  ports: RestorePorts,
  context: RestoreContext,
  run: string,
  proof: Proof,
): Promise<Uniter> {
  const mode = listMode(context.input);
  const tell = async (outcome: ListOutcome): Promise<void> => {
    const { key, known, lacking, live, record } = outcome;
    const isOver = record.first.x !== undefined && isDue(record.first.x, context.now());
    const verdict = isOver && live === 'none' ? 'expired' : verdictOf(outcome, mode);
    await count(ports, proof, key, known.family, verdict, lacking > 0 ? 'members' : 'expiry');
  };
  return uniter(await comparisonContextOf(ports, context, run), tell, null);
}

function verdictOf({ differ, expiry, lacking, live }: ListOutcome, mode: string): Verdict {
  if (live === 'unsavable') return mode === 'missing' ? 'kept' : 'blocked';
  if (live === 'other') return mode === 'missing' ? 'kept' : 'different';
  if (lacking > 0) return live === 'none' ? 'missing' : 'different';
  if (expiry && mode === 'merge') return 'different';
  return live === 'none' || differ > 0 || expiry ? 'kept' : 'equal';
}

/** Counts a list into a proof, by name if it fails it. */
export async function count(
  ports: RestorePorts,
  proof: Proof,
  key: Buffer,
  family: string,
  verdict: Verdict,
  difference: string,
): Promise<void> {
  countProof(proof, family, verdict);
  if (!wantsProof(proof, verdict)) return;
  proof.examples.push({ verdict, key: await encryptName(ports.encryptor, key), difference });
}

export async function* joined<T>(first: T, rest: AsyncIterable<T> | null): AsyncGenerator<T> {
  yield first;
  yield* rest ?? [];
}

/** Where live members were; only mode `missing` goes by it. */
async function livePlaced(ports: RestorePorts, { input, state }: RestoreContext, run: string): Promise<Placed | null> {
  if (input.mode !== 'missing' || state.targetEmpty) return null;
  return readPlaced(ports.store, livePlaces(run));
}

function nameOf({ name }: Member): Buffer {
  return name;
}
