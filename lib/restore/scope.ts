import type { RedisCommand, RedisPort, RedisReply } from '../ports/redis.js';
import { classifyKey, type ClassifiedKey } from '../soulcaster/keys.js';
import { factFields, factsNeed, factsOf, listFacts, mergeFacts, type FactList } from '../soulcaster/project-scope.js';
import type { Fields, Text } from '../soulcaster/text.js';
import type { LineObserver } from '../snapshot/check-part.js';
import { endsRecord, keyOf, startsRecord, type RecordLine } from '../snapshot/record.js';
import type { Scope } from './model.js';
import type { LiveKey } from './walk.js';
import { cutByBytes } from './write/cut-by-bytes.js';
import { BATCH_BYTES } from './write/limits.js';
import { wireBytes } from './write/size.js';

/** What one part of a snapshot holds of the scope. A type, not an interface: it is stored as JSON. */
export type ScopeFindings = {
  /** Whether the part may hold any key of the scope. */
  readonly touched: boolean;
  /** Ids tied to the project that is restored. */
  readonly facts: StoredFacts;
  /** Projects whose own hash is in the part, when everything is restored; else the one that is. */
  readonly projects: readonly string[];
  /** What the part holds of a record that an earlier one began, if that may tie anything to the project. */
  readonly head: Piece | null;
  /** The same of a record that begins in the part and goes on in the next. */
  readonly tail: Piece | null;
};

/** What lines of one record tell that decides which keys belong to a project. */
type Piece = {
  readonly key: string;
  /** Those that name a project, a cluster or a user. */
  readonly fields: Fields;
  /** Whether the project is among the members of a set. */
  readonly isMember: boolean;
  readonly isEnd: boolean;
};

type StoredFacts = { jobs: string[]; clusters: string[]; users: string[] };

export interface ScopeObserver {
  readonly see: LineObserver;
  findings(): ScopeFindings;
}

/** Families that belong to a project without naming it: where the facts decide that are not known yet. */
const TIED: ReadonlySet<string> = new Set(['job', 'job-logs', 'cluster-jobs', 'user-projects']);

/** Gathers from the lines of a part what decides which keys belong to the scope. `without`: first lines passed over. */
export function scopeObserver(
  scope: Scope,
  without: ReadonlySet<number>,
  options: ScopeOptions = { usersByListAlone: false },
): ScopeObserver {
  return 'project' in scope ? projectObserver(scope.project, without, options) : everythingObserver(without);
}

/** `usersByListAlone`: a user counts whose list has the project, and not the one that the project's hash names. */
interface ScopeOptions {
  readonly usersByListAlone: boolean;
}

function everythingObserver(without: ReadonlySet<number>): ScopeObserver {
  const projects = new Set<string>();
  return {
    see(line, number) {
      if (!startsRecord(line) || without.has(number)) return;
      const key = classifyKey(keyOf(line).toString('utf8'));
      if (key.family === 'project' && key.project !== null) projects.add(key.project);
    },
    findings: () => ({ touched: true, facts: stored([]), projects: [...projects], head: null, tail: null }),
  };
}

function projectObserver(
  project: string,
  without: ReadonlySet<number>,
  { usersByListAlone }: ScopeOptions,
): ScopeObserver {
  const lists: FactList[] = [];
  let touched = false;
  let head: Piece | null = null;
  let open: Piece | null = null;
  // At a part's beginning, and until a record begins in it, lines are an earlier part's record's.
  let isHead = true;
  let isPassedOver = false;

  return {
    see(line, number) {
      if (startsRecord(line)) {
        [open, isHead, isPassedOver] = [null, false, without.has(number)];
      }
      if (isPassedOver) return;
      const key = classifyKey(keyOf(line).toString('utf8'));
      touched ||= !isHead && (key.project === project || TIED.has(key.family));
      const piece = pieceOf(project, key, line);
      open = joined(open, usersByListAlone && key.family === 'project' ? { ...piece, fields: [] } : piece);
      if (isHead) head = open;
      else if (open.isEnd) lists.push(factsIn(project, open));
    },
    findings: () => ({
      touched,
      facts: stored(lists),
      projects: [],
      head: telling(project, head),
      tail: isHead || open === null || open.isEnd ? null : telling(project, open),
    }),
  };
}

function pieceOf(project: string, key: ClassifiedKey, line: RecordLine): Piece {
  const wanted = factsNeed(project, key);
  const fields = wanted === 'fields' && line.t === 'hash' ? factFields(line.v as Fields) : [];
  const isMember = wanted === 'members' && line.t === 'set' && (line.v as readonly Text[]).includes(project);
  return { key: keyOf(line).toString('utf8'), fields, isMember, isEnd: endsRecord(line) };
}

/** Names of keys that have nothing to tell are not noted. */
function telling(project: string, piece: Piece | null): Piece | null {
  const key = piece === null ? null : classifyKey(piece.key);
  return key !== null && (key.project === project || factsNeed(project, key) !== 'nothing') ? piece : null;
}

function joined(before: Piece | null, next: Piece): Piece {
  if (before === null) return next;
  return { ...next, fields: [...before.fields, ...next.fields], isMember: before.isMember || next.isMember };
}

function factsIn(project: string, { key, fields, isMember }: Piece): FactList {
  return factsOf(project, classifyKey(key), fields, isMember ? [project] : []);
}

/** Puts records together that go on from part to part. Those whose beginning is passed over have no tail to begin with. */
function* factsAcross(project: string, findings: readonly ScopeFindings[]): Generator<FactList> {
  let open: Piece | null = null;
  for (const { head, tail } of findings) {
    open = open === null || head === null ? null : joined(open, head);
    if (open?.isEnd === true) yield factsIn(project, open);
    if (open?.isEnd === true || tail !== null) open = tail;
  }
}

/** What all parts together hold; `findings` are those of every part, in order. */
export function mergeFindings(
  scope: Scope,
  findings: readonly ScopeFindings[],
): { facts: StoredFacts; projects: string[] } {
  const projects = 'project' in scope ? [scope.project] : findings.flatMap((found) => found.projects);
  const across = 'project' in scope ? [...factsAcross(scope.project, findings)] : [];
  const facts = stored([...findings.map((found) => found.facts), ...across]);
  return { facts, projects: [...new Set(projects)].sort() };
}

export function mergeFactLists(...lists: readonly FactList[]): StoredFacts {
  return stored(lists);
}

/** What is tied to a project in the database: jobs name it in a field, which takes a command each. */
export async function liveFactsOf(redis: RedisPort, project: string, keys: readonly LiveKey[]): Promise<FactList> {
  const named = keys.map(({ known }) => (known.family === 'job' ? null : factsOf(project, known, null)));
  const jobs = keys.filter(({ known }) => known.family === 'job');
  if (jobs.length === 0) return mergeFactLists(...named.filter((facts) => facts !== null));
  const replies: RedisReply[] = [];
  for (const piece of cutByBytes(jobs, ({ key }) => wireBytes(key), BATCH_BYTES)) {
    const commands = piece.map(({ key }): RedisCommand => ['HMGET', key, 'project_id', 'cluster_id']);
    replies.push(...(await redis.pipeline(commands)));
  }
  const tied = jobs.map(({ known }, at) => factsOf(project, known, jobFields(replies[at])));
  return mergeFactLists(...named.filter((facts) => facts !== null), ...tied);
}

/** A key `job:...` that is no hash ties nothing to anybody. */
function jobFields(reply: RedisReply | undefined): Fields | null {
  if (reply === undefined || 'error' in reply || !Array.isArray(reply.value)) return null;
  const [project, cluster] = reply.value.map((value) => (Buffer.isBuffer(value) ? value.toString('utf8') : ''));
  return [
    ['project_id', project ?? ''],
    ['cluster_id', cluster ?? ''],
  ];
}

function stored(lists: Iterable<FactList>): StoredFacts {
  const { jobs, clusters, users } = listFacts(mergeFacts(lists));
  return { jobs: [...jobs], clusters: [...clusters], users: [...users] };
}
