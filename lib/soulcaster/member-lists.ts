import { SOURCES } from './invariants/readable.js';
import { buildKey, type ClassifiedKey, type Family } from './keys.js';

/**
 * A family of keys whose value is a list of members: ids of objects with separate keys. A restore unites such values member
 * by member. Every other value, including a list of log lines or a JSON array of settings, is replaced as a whole by the
 * snapshot's value (by the application's source: naga-k/soulcaster, January 2026).
 */
export interface MemberList {
  readonly type: 'set' | 'zset';
  /** The key of a member's object: `missing` does not add a member whose key does not exist. */
  readonly keyOf: (list: ClassifiedKey, member: string) => string;
  /**
   * The lists of one group and project contain a member at most once. If both sides contain it, `missing` follows the live
   * database and `merge` the snapshot. Null: a member may be in any number of lists.
   */
  readonly group: 'clustering' | 'source' | 'owner' | null;
  /** Sorted sets that contain the same members with the same scores; null if there are none. */
  readonly twin: ((list: ClassifiedKey) => readonly string[]) | null;
}

const itemKey = ({ project }: ClassifiedKey, id: string): string => buildKey('feedback', { project, item: id });
const clusterKey = ({ project }: ClassifiedKey, id: string): string => buildKey('cluster', { project, cluster: id });
const legacyItemKey = (_: ClassifiedKey, id: string): string => buildKey('legacy-feedback', { item: id });

const timeList = ({ project }: ClassifiedKey): string[] => [buildKey('feedback-created', { project })];
const sourceLists = ({ project }: ClassifiedKey): string[] =>
  SOURCES.map((source) => buildKey('feedback-source', { project, source }));

/** Every family that is a list of members. `config` (subreddits: a JSON array in a string) and `job-logs` are values. */
const MEMBER_LISTS: Partial<Record<Family, MemberList>> = {
  'feedback-created': { type: 'zset', keyOf: itemKey, group: null, twin: sourceLists },
  'feedback-source': { type: 'zset', keyOf: itemKey, group: 'source', twin: timeList },
  'feedback-unclustered': { type: 'set', keyOf: itemKey, group: 'clustering', twin: null },
  'cluster-items': { type: 'set', keyOf: itemKey, group: 'clustering', twin: null },
  'clusters-all': { type: 'zset', keyOf: clusterKey, group: null, twin: null },
  'cluster-jobs-recent': {
    type: 'zset',
    keyOf: ({ project }, id) => buildKey('cluster-job', { project, job: id }),
    group: null,
    twin: null,
  },
  'cluster-jobs': { type: 'zset', keyOf: (_, id) => buildKey('job', { job: id }), group: null, twin: null },
  'github-repos': {
    type: 'set',
    keyOf: ({ project }, name) => buildKey('github-repo', { project, repo: name }),
    group: null,
    twin: null,
  },
  'user-projects': { type: 'set', keyOf: (_, id) => buildKey('project', { project: id }), group: 'owner', twin: null },
  'legacy-feedback-created': { type: 'zset', keyOf: legacyItemKey, group: null, twin: null },
  'legacy-feedback-unclustered': { type: 'set', keyOf: legacyItemKey, group: 'clustering', twin: null },
  'legacy-cluster-items': { type: 'set', keyOf: legacyItemKey, group: 'clustering', twin: null },
  'legacy-clusters-all': {
    type: 'zset',
    keyOf: (_, id) => buildKey('legacy-cluster', { cluster: id }),
    group: null,
    twin: null,
  },
  'legacy-github-repos': {
    type: 'set',
    keyOf: (_, name) => buildKey('legacy-github-repo', { repo: name }),
    group: null,
    twin: null,
  },
};

/** Null if the key's value is no list of members. */
export function memberListOf({ family }: ClassifiedKey): MemberList | null {
  return MEMBER_LISTS[family] ?? null;
}
