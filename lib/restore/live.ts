import type { RedisPort, RedisCommand, RedisReply } from '../ports/redis.js';
import { beginWalk, nameCounter, NEW_WALK, walkAgain, type WalkState } from '../redis/scan.js';
import type { Attempt, StepOutcome } from '../runs/model.js';
import { classifyKey, buildKey, type ClassifiedKey } from '../soulcaster/keys.js';
import { scanNames } from '../snapshot/scan/pages.js';
import { needsFacts } from '../soulcaster/selection.js';
import { pipelineInHalves, byBytes } from '../redis/halving.js';
import type { Fields } from '../soulcaster/text.js';
import { enterPhase, type RestoreCheckpoint } from './checkpoint.js';
import type { RestoreInput, Item } from './model.js';
import { addSpent, openContext, spentSince, type RestorePorts } from './context.js';
import { mergeStored, projectFacts, type StoredFacts } from './facts.js';
import { itemsOf, selectionOf } from './scope.js';
import { readRefusedError, stopIfAborted } from './compare/read-live.js';
import { BATCH_BYTES, wireBytes } from './write/size.js';

/** A key of the target as SCAN returns it. */
export interface LiveKey {
  readonly key: Buffer;
  readonly known: ClassifiedKey;
  /** Whether its type is one that a snapshot can hold. */
  readonly supported: boolean;
}

interface Walked {
  /** Where to continue; null when all keys have been visited. */
  readonly cursor: string | null;
  readonly walked: number;
  readonly walk: WalkState;
}

/** The visitor of a walk: a function, or an object that is also notified when the walk starts over. */
export interface KeyVisitor {
  readonly visit: (keys: readonly LiveKey[]) => Promise<void>;
  /** Discards what was collected: the walk starts over, since the server was restarted during it. */
  readonly restart: () => Promise<void>;
}

/**
 * Visits every key of the target, page by page, from the checkpoint's cursor until the end or until time is up. A key
 * may be visited twice, and all of them again when the walk may have missed some.
 */
export async function walk(
  redis: RedisPort,
  attempt: Attempt,
  state: RestoreCheckpoint,
  visitor: KeyVisitor | KeyVisitor['visit'],
): Promise<Walked> {
  const { visit, restart }: KeyVisitor =
    typeof visitor === 'function' ? { visit: visitor, restart: () => Promise.resolve() } : visitor;
  let { walked } = state;
  let cursor = state.cursor ?? '0';
  let progress = await beginWalk(redis, state.walk);
  let count = nameCounter(progress);
  for (;;) {
    for await (const page of scanNames(redis, cursor)) {
      stopIfAborted(attempt.signal);
      const supported = page.keys.map(({ key }) => liveKey(key, true));
      const live = [...supported, ...page.unsupported.map(({ key }) => liveKey(key, false))];
      await visit(live);
      walked += count(live.map(({ key }) => key));
      if (page.next !== null && attempt.timeIsUp()) return { cursor: page.next, walked, walk: progress };
    }
    const next = await walkAgain(redis, progress, walked);
    if (next === null) return { cursor: null, walked, walk: NEW_WALK };
    await restart();
    [progress, cursor, walked, count] = [next, '0', 0, nameCounter(next)];
    // A repeated walk makes no progress, so an attempt that started one must not be the run's last.
    if (attempt.timeIsUp()) return { cursor, walked, walk: progress };
  }
}

/** Hands an unfinished walk to the next attempt. */
export function continueLater(state: RestoreCheckpoint, walked: Walked): StepOutcome {
  const progress = { done: walked.walked, total: null, unit: 'keys', bytes: 0 } as const;
  return { to: 'later', checkpoint: { ...state, ...walked }, progress };
}

function liveKey(key: Buffer, supported: boolean): LiveKey {
  return { key, known: classifyKey(key.toString('utf8')), supported };
}

/**
 * Finds the ids that the target ties to the projects now: jobs and clusters newer than the snapshot name no project in
 * their keys. Runs before anything is written, since the linking fields may be overwritten. An undo runs it before the
 * plan: keys that its restore tied to a project are restored to their old state, whichever project that was.
 */
export async function liveStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const { input, state, redis } = await openContext(ports, attempt.run, attempt.signal);
  const isEarly = needsLiveFactsEarly(input) && !state.times.some(([phase]) => phase === 'place');
  const done = (next: RestoreCheckpoint): StepOutcome => {
    const facts = isEarly ? addLiveFacts(next.facts, next.liveFacts) : next.facts;
    return enterPhase(isEarly ? 'place' : 'weigh', { ...next, facts, walked: 0 }, 0, ports.clock.now());
  };
  const selection = selectionOf(input.scope);
  if (needsLiveFactsEarly(input) && !isEarly) return done(state);
  if (input.mode !== 'replace' || state.targetEmpty || !needsFacts(selection)) return done(state);
  const before = redis.usage();
  let facts = mergeStored([...state.liveFacts, ...state.facts]);
  const items = itemsOf(input.scope);
  if (items !== null) {
    facts = mergeStored([...facts, ...(await liveExternals(redis, items))]);
    return done({ ...state, liveFacts: facts, spent: addSpent(state.spent, spentSince(redis, before)) });
  }
  const { projects } = selection;
  const factsOf = input.undoes ? withUsers : liveFactsOf;
  const walked = await walk(redis, attempt, state, async (keys) => {
    facts = mergeStored([...facts, ...(await factsOf(redis, projects, keys))]);
  });
  const spent = addSpent(state.spent, spentSince(redis, before));
  const next = { ...state, liveFacts: facts, spent };
  return walked.cursor === null ? done(next) : continueLater(next, walked);
}

/** Whether the target's own ties decide which keys of the snapshot are restored. */
export function needsLiveFactsEarly({ mode, undoes }: Pick<RestoreInput, 'mode' | 'undoes'>): boolean {
  return undoes && mode === 'replace';
}

/** Adds the live facts without users: a project leaves the sets of users that the snapshot does not name. */
function addLiveFacts(facts: StoredFacts, live: StoredFacts): StoredFacts {
  return mergeStored([...facts, ...live.map((entry) => ({ ...entry, users: [] }))]);
}

/** Also finds the users whose list has the project: an undo takes each project off the lists that the restore put it on. */
async function withUsers(
  redis: RedisPort,
  projects: readonly string[],
  keys: readonly LiveKey[],
): Promise<StoredFacts> {
  const facts = await liveFactsOf(redis, projects, keys);
  for (const project of projects) {
    const users = await usersWithProject(redis, project, keys);
    facts.push({ project, jobs: [], clusters: [], users: [...users], externals: [] });
  }
  return facts;
}

/** The ids that the database ties to the projects; jobs name theirs in a field, which takes a command each. */
async function liveFactsOf(
  redis: RedisPort,
  projects: readonly string[],
  keys: readonly LiveKey[],
): Promise<StoredFacts> {
  const factsIn = projectFacts(projects, true);
  const found = keys.flatMap(({ known }) => (known.family === 'job' ? [] : factsIn(known, '', [], [])));
  const jobs = keys.filter(({ known }) => known.family === 'job');
  const replies: RedisReply[] = [];
  for (const piece of byBytes(jobs, ({ key }) => wireBytes(key), BATCH_BYTES)) {
    const commands = piece.map(({ key }): RedisCommand => ['HMGET', key, 'project_id', 'cluster_id']);
    replies.push(...(await pipelineInHalves(redis, commands)));
  }
  const tied = jobs.flatMap(({ known }, at) => factsIn(known, '', jobFields(replies[at]), []));
  return mergeStored([...found, ...tied]);
}

/** A key `job:...` that is not a hash ties nothing. */
function jobFields(reply: RedisReply | undefined): Fields {
  if (reply !== undefined && 'error' in reply && !reply.error.startsWith('WRONGTYPE')) throw readRefusedError('HMGET');
  if (reply === undefined || 'error' in reply || !Array.isArray(reply.value)) return [];
  const [project, cluster] = reply.value.map((value) => (Buffer.isBuffer(value) ? value.toString('utf8') : ''));
  return [
    ['project_id', project ?? ''],
    ['cluster_id', cluster ?? ''],
  ];
}

/** The keys of external ids that the live items name in their own fields, if these keys point to the items. */
async function liveExternals(redis: RedisPort, items: readonly Item[]): Promise<StoredFacts> {
  const found: StoredFacts = [];
  for (const { project, id } of items) {
    const item = buildKey('feedback', { project, item: id });
    const [fields] = await redis.pipeline([['HMGET', item, 'source', 'external_id']]);
    if (fields === undefined || 'error' in fields || !Array.isArray(fields.value)) continue;
    const [source, external] = fields.value.map((value) => (Buffer.isBuffer(value) ? value.toString('utf8') : ''));
    if (source === undefined || external === undefined || source === '' || external === '') continue;
    const name = buildKey('feedback-external', { project, source, external });
    const [target] = await redis.pipeline([['GET', name]]);
    const pointsToItem =
      target !== undefined &&
      'value' in target &&
      Buffer.isBuffer(target.value) &&
      target.value.toString('utf8') === id;
    if (pointsToItem) found.push({ project, jobs: [], clusters: [], users: [], externals: [name] });
  }
  return mergeStored(found);
}

/** The users among these keys whose set has the project; a key of another type lists nothing. */
async function usersWithProject(
  redis: RedisPort,
  project: string,
  keys: readonly LiveKey[],
): Promise<readonly string[]> {
  const lists = keys.filter(({ known }) => known.family === 'user-projects');
  if (lists.length === 0) return [];
  const replies = await redis.pipeline(lists.map(({ key }): RedisCommand => ['SISMEMBER', key, project]));
  return lists.flatMap(({ known: { user } }, at) => {
    const reply = replies[at];
    return user !== undefined && reply !== undefined && 'value' in reply && reply.value === 1 ? [user] : [];
  });
}
