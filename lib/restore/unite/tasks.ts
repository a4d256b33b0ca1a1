import { randomUUID } from 'node:crypto';
import type { Json } from '../../json.js';
import { doubledLines } from '../../snapshot/doubles.js';
import { sealName } from '../../snapshot/ledger.js';
import { loadManifest, type Manifest } from '../../snapshot/manifest.js';
import { fromText, type Text } from '../../snapshot/text.js';
import { keyOf } from '../../snapshot/record.js';
import { isId } from '../../runs/ids.js';
import type { RunRecord } from '../../runs/model.js';
import { buildKey, classifyKey } from '../../soulcaster/keys.js';
import { keepLocks } from '../../soulcaster/locks.js';
import { openContext, spentSince, type RestoreContext, type RestorePorts } from '../context.js';
import { keySet, readSourceIndex, type KeySet } from '../key-set.js';
import type { TargetRecord } from '../model.js';
import { countAction, wantsExample, type Plan } from '../plan-counts.js';
import { countProof, wantsProof, type Proof, type Verdict } from '../proof-counts.js';
import { sourceRecords } from '../source.js';
import { stagingPrefix } from '../staged.js';
import { inScope } from '../target-records.js';
import type { Judgement } from './judge.js';
import { membersOf, PAGE, readLivePages, sameScore, type ListPage } from './members.js';
import { placedPrefix, placedWriter, readPlaced, type Placed, type PlacedWriter } from './placed.js';
import { listAction, listOf, uniter, type ListOutcome, type Uniter } from './unite.js';

/** Where the members of the live database's grouped lists were before the first write, and where the snapshot has them. */
export const livePlaces = (run: string): string => `${placedPrefix(run)}live-`;
export const sourcePlaces = (run: string): string => `${placedPrefix(run)}source-`;

/** Passes over a list that has expired, as other keys are. */
function isUnited(record: TargetRecord, mode: RestoreContext['input']['mode']): boolean {
  const found = record.expired ? null : listOf(keyOf(record.first), mode);
  return found !== null && record.first.t === found.list.type;
}

async function* valuesOf(
  context: RestoreContext,
  keys: KeySet | null,
  records: AsyncIterable<TargetRecord>,
  lists: Uniter | null,
): AsyncGenerator<TargetRecord> {
  const { mode } = context.input;
  for await (const record of records) {
    if (isUnited(record, mode)) await lists?.see(record);
    else if (keys === null || !isDangling(record, keys)) yield record;
  }
  await lists?.end();
}

/** A key of an external id whose item the snapshot itself lacks: it must not take the place of one that points to an item. */
function isDangling({ first, expired }: TargetRecord, keys: KeySet): boolean {
  if (expired || first.t !== 'string') return false;
  const { family, project } = classifyKey(keyOf(first).toString('utf8'));
  if (family !== 'feedback-external') return false;
  const item = fromText(first.v as Text).toString('utf8');
  return !keys.has(Buffer.from(buildKey('feedback', { project, item })));
}

/** The records that are written and compared as values. Mode `replace` knows no others. */
export async function* valueRecords(
  ports: RestorePorts,
  context: RestoreContext,
  run: string,
  records: AsyncIterable<TargetRecord>,
  lists: Uniter | null = null,
): AsyncGenerator<TargetRecord> {
  if (context.input.mode === 'replace') yield* records;
  else yield* valuesOf(context, await sourceKeys(ports, context, run), records, lists);
}

/** Counts lists into a plan, and in mode `merge` notes where the snapshot has their members. */
export async function planLists(
  ports: RestorePorts,
  context: RestoreContext,
  run: string,
  task: number,
  plan: Plan,
): Promise<Uniter> {
  const { input, redis, state } = context;
  const keys = await sourceKeys(ports, context, run);
  const places = input.mode === 'merge' ? placedWriter() : null;
  const tell = async (outcome: ListOutcome): Promise<void> => {
    const action = listAction(outcome, input.mode);
    countAction(plan, outcome.known.family, action);
    if (outcome.live !== 'other' && outcome.live !== 'unsavable') plan.lists.added += outcome.lacking;
    else plan.lists.wrongType += 1;
    if (action !== 'write' && action !== 'same' && wantsExample(plan, action)) {
      plan.examples.push({ action, key: await sealName(ports.sealer, outcome.key) });
    }
  };
  const judgement: Judgement = {
    redis,
    mode: input.mode,
    safety: input.safety,
    placed: await livePlaced(ports, context, run),
    coming: (key) => keys.has(key),
  };
  const lists = state.targetEmpty ? countingUniter(tell) : uniter(judgement, tell, null);
  return {
    async see(record) {
      await lists.see(places === null ? record : noting(record, places));
    },
    async end() {
      await lists.end();
      await places?.save(ports.store, `${sourcePlaces(run)}${String(task).padStart(6, '0')}.json`);
    },
  };
}

/** Nothing has to be read of an empty target. */
function countingUniter(tell: (outcome: ListOutcome) => Promise<void>): Uniter {
  return {
    async see(record) {
      let lacking = membersOf(record.first).length;
      for await (const line of record.rest ?? []) lacking += membersOf(line).length;
      const key = keyOf(record.first);
      const known = classifyKey(key.toString('utf8'));
      await tell({ record, key, known, live: 'none', lacking, differ: 0 });
    },
    end: () => Promise.resolve(),
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
): Promise<Json> {
  const context = await openContext(ports, run);
  const { input, redis, state } = context;
  const before = redis.usage();
  await keepLocks(redis, state.projects, run.id);
  const counts = { lists: 0, members: 0 };
  const tell = (outcome: ListOutcome): void => {
    if (outcome.lacking === 0) return;
    counts.lists += 1;
    counts.members += outcome.lacking;
  };
  const judgement = await judgementOf(ports, context, run.id);
  const lists = uniter(judgement, tell, () => `${stagingPrefix(run.id)}${randomUUID()}`);
  for await (const record of records(context)) if (isUnited(record, input.mode)) await lists.see(record);
  await lists.end();
  return { ...counts, spent: spentSince(redis, before) };
}

async function judgementOf(ports: RestorePorts, context: RestoreContext, run: string): Promise<Judgement> {
  const { input, redis } = context;
  return { redis, mode: input.mode, safety: input.safety, placed: await livePlaced(ports, context, run), coming: null };
}

/** Proves the lists of one part: nothing of them may be lacking. */
export async function proveLists(
  ports: RestorePorts,
  context: RestoreContext,
  run: string,
  proof: Proof,
): Promise<Uniter> {
  const { mode } = context.input;
  const tell = async ({ key, known, live, lacking, differ, record }: ListOutcome): Promise<void> => {
    const over = record.first.x !== undefined && Number(record.first.x) <= ports.clock.now();
    const verdict = over && live === 'none' ? 'expired' : verdictOf(live, lacking, differ, mode);
    await count(ports, proof, key, known.family, verdict, 'members');
  };
  return uniter(await judgementOf(ports, context, run), tell, null);
}

function verdictOf(live: ListOutcome['live'], lacking: number, differ: number, mode: string): Verdict {
  if (live === 'unsavable') return mode === 'missing' ? 'kept' : 'blocked';
  if (live === 'other') return mode === 'missing' ? 'kept' : 'different';
  if (lacking > 0) return live === 'none' ? 'missing' : 'different';
  return live === 'none' || differ > 0 ? 'kept' : 'equal';
}

async function count(
  ports: RestorePorts,
  proof: Proof,
  key: Buffer,
  family: string,
  verdict: Verdict,
  difference: string,
): Promise<void> {
  countProof(proof, family, verdict);
  if (!wantsProof(proof, verdict)) return;
  proof.examples.push({ verdict, key: await sealName(ports.sealer, key), difference });
}

/** The safety snapshot, as far as lists are held against it; null where nothing was there, or nothing was saved. */
export async function savedLists(
  ports: RestorePorts,
  { input, state }: Pick<RestoreContext, 'input' | 'state'>,
): Promise<Manifest | null> {
  if (input.mode === 'replace' || state.targetEmpty || state.undo === null || !isId(state.undo)) return null;
  return (await loadManifest(ports.store, state.undo))?.manifest ?? null;
}

/**
 * Proves that no list lost a member which was there before anything was written, by one part of the safety snapshot. In
 * mode `merge` a member is also where it belongs when the snapshot has it in another list of the group, and its score
 * may be the snapshot's.
 */
export async function proveKept(
  ports: RestorePorts,
  context: RestoreContext,
  run: string,
  saved: Manifest,
  part: number,
  proof: Proof,
): Promise<void> {
  const { input, facts, redis } = context;
  const placed = input.mode === 'merge' ? await readPlaced(ports.store, sourcePlaces(run)) : null;
  let batch: ListPage[] = [];
  const lost = new Map<string, ListPage>();
  const flush = async (): Promise<void> => {
    const pages = batch;
    batch = [];
    const live = await readLivePages(redis, pages);
    for (const [at, page] of pages.entries()) {
      // Of another type means that it was replaced on purpose, or by somebody else; the list's own proof tells.
      if (live[at]?.type === 'other' || live[at]?.type === 'unsavable') continue;
      const isLost = page.members.some(
        ({ name, score }, n) => !isKept(page, name, score, live[at]?.scores[n] ?? null, placed),
      );
      if (isLost) lost.set(page.key.toString('utf8'), page);
    }
  };
  for await (const { first, rest } of sourceRecords(ports, saved, part)) {
    const found = listOf(keyOf(first), input.mode);
    if (found === null || first.t !== found.list.type || !inScope(input, facts, found.known)) continue;
    if (first.x !== undefined && Number(first.x) <= ports.clock.now()) continue;
    for await (const line of joined(first, rest)) {
      const members = membersOf(line);
      for (let at = 0; at < members.length; at += PAGE) {
        batch.push({ key: keyOf(first), ...found, members: members.slice(at, at + PAGE) });
        if (batch.length >= 50) await flush();
      }
    }
  }
  if (batch.length > 0) await flush();
  for (const { key, known } of lost.values()) await count(ports, proof, key, known.family, 'different', 'members-lost');
}

function isKept(
  { key, known, list }: ListPage,
  name: Buffer,
  score: string | null,
  live: string | null,
  placed: Placed | null,
): boolean {
  const isSnapshots = placed?.here(known, key, name) === true;
  if (live === null) return list.group !== null && !isSnapshots && placed?.anywhere(known, name) === true;
  return isSnapshots || score === null || sameScore(live, score);
}

async function* joined<T>(first: T, rest: AsyncIterable<T> | null): AsyncGenerator<T> {
  yield first;
  yield* rest ?? [];
}

/** Where live members were; only mode `missing` goes by it. */
async function livePlaced(ports: RestorePorts, { input, state }: RestoreContext, run: string): Promise<Placed | null> {
  if (input.mode !== 'missing' || state.targetEmpty) return null;
  return readPlaced(ports.store, livePlaces(run));
}

async function sourceKeys(ports: RestorePorts, { manifest, state }: RestoreContext, run: string): Promise<KeySet> {
  return keySet(
    (async function* () {
      for (const part of state.parts) {
        const index = await readSourceIndex(ports.store, run, part);
        yield { index, without: doubledLines(manifest.doubles, part) };
      }
    })(),
  );
}
