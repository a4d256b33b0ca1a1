import type { RedisPort, RedisCommand, RedisReply } from '../ports/redis.js';
import type { Attempt, StepOutcome } from '../runs/model.js';
import { needsFacts } from '../soulcaster/selection.js';
import type { RestoreCheckpoint } from './checkpoint.js';
import type { RestoreInput, Item } from './model.js';
import { addSpent, openContext, spentSince, type RestorePorts } from './context.js';
import { enterPhase } from './phases.js';
import { mergeStored, type StoredFacts, projectFacts } from './facts.js';
import { itemsOf, selectionOf } from './selected.js';
import { usersWithProject } from './user-projects.js';
import { continueLater, walk, type LiveKey } from './walk.js';
import { pipelineInHalves } from '../redis/halving.js';
import { buildKey } from '../soulcaster/keys.js';
import type { Fields } from '../soulcaster/text.js';
import { readRefusedError } from './compare/refusal.js';
import { cutByBytes } from './write/cut-by-bytes.js';
import { BATCH_BYTES } from './write/limits.js';
import { wireBytes } from './write/size.js';

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
  for (const piece of cutByBytes(jobs, ({ key }) => wireBytes(key), BATCH_BYTES)) {
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
