import type { RedisCommand, RedisPort, RedisReply } from '../ports/redis.js';
import { classifyKey, type ClassifiedKey } from '../soulcaster/keys.js';
import { factFields, factsNeed, factsOf, listFacts, mergeFacts, type FactList } from '../soulcaster/project-scope.js';
import { isEphemeral } from '../soulcaster/settle.js';
import type { Fields, Text } from '../soulcaster/text.js';
import type { LineObserver } from '../snapshot/check-part.js';
import { endsRecord, keyOf, startsRecord, type RecordLine } from '../snapshot/record.js';
import type { Scope } from './model.js';
import type { LiveKey } from './walk.js';

/** What one part of a snapshot holds of the scope. A type, not an interface: it is stored as JSON. */
export type ScopeFindings = {
  /** Whether the part may hold any key of the scope. */
  readonly touched: boolean;
  /** Ids tied to the project that is restored. */
  readonly facts: StoredFacts;
  /** Projects whose own hash is in the part, when everything is restored; else the one that is. */
  readonly projects: readonly string[];
};

type StoredFacts = { jobs: string[]; clusters: string[]; users: string[] };

export interface ScopeObserver {
  readonly see: LineObserver;
  findings(): ScopeFindings;
}

/** Families that belong to a project without naming it: where the facts decide that are not known yet. */
const TIED: ReadonlySet<string> = new Set(['job', 'job-logs', 'cluster-jobs', 'user-projects']);

/** Gathers from the lines of a part what decides which keys belong to the scope. `without`: first lines passed over. */
export function scopeObserver(scope: Scope, without: ReadonlySet<number>): ScopeObserver {
  const lists: FactList[] = [];
  const projects = new Set<string>();
  let touched = 'all' in scope;
  let open: { key: ClassifiedKey; fields: Fields } | null = null;

  const seeProject = (project: string, line: RecordLine): void => {
    const key: ClassifiedKey = open?.key ?? classifyKey(keyOf(line).toString('utf8'));
    touched ||= key.project === project || TIED.has(key.family);
    const wanted = factsNeed(project, key);
    const fields = wanted === 'fields' && line.t === 'hash' ? factFields(line.v as Fields) : [];
    const soFar: Fields = [...(open?.fields ?? []), ...fields];
    open = endsRecord(line) ? null : { key, fields: soFar };
    const members = wanted === 'members' && line.t === 'set' ? (line.v as readonly Text[]) : null;
    if (open === null || members !== null) keep(factsOf(project, key, soFar, members));
  };
  const keep = (facts: FactList): void => {
    if (facts.jobs.length + facts.clusters.length + facts.users.length > 0) lists.push(facts);
  };

  return {
    see(line, number) {
      const starts = startsRecord(line);
      if (starts) open = null;
      if ((starts && without.has(number)) || (!starts && open === null)) return;
      if ('project' in scope) {
        seeProject(scope.project, line);
        return;
      }
      const key = starts ? classifyKey(keyOf(line).toString('utf8')) : null;
      if (key?.family === 'project' && key.project !== null && !isEphemeral(key)) projects.add(key.project);
    },
    findings: () => ({ touched, facts: stored(lists), projects: [...projects] }),
  };
}

/** What all parts together hold. */
export function mergeFindings(
  scope: Scope,
  findings: readonly ScopeFindings[],
): { facts: StoredFacts; projects: string[] } {
  const projects = 'project' in scope ? [scope.project] : findings.flatMap((found) => found.projects);
  return { facts: stored(findings.map(({ facts }) => facts)), projects: [...new Set(projects)].sort() };
}

export function mergeFactLists(...lists: readonly FactList[]): StoredFacts {
  return stored(lists);
}

/** What is tied to a project in the database: jobs name it in a field, which takes a command each. */
export async function liveFactsOf(redis: RedisPort, project: string, keys: readonly LiveKey[]): Promise<FactList> {
  const named = keys.map(({ known }) => (known.family === 'job' ? null : factsOf(project, known, null)));
  const jobs = keys.filter(({ known }) => known.family === 'job');
  if (jobs.length === 0) return mergeFactLists(...named.filter((facts) => facts !== null));
  const commands = jobs.map(({ key }): RedisCommand => ['HMGET', key, 'project_id', 'cluster_id']);
  const replies = await redis.pipeline(commands);
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
