import { SOURCES } from './invariants/readable.js';
import { buildKey, type ClassifiedKey, type Family } from './keys.js';

/**
 * A family of keys whose value is a list of members: ids of what has its own key. Two such values are united member
 * by member; every other value, a list of log lines or a JSON array of settings included, is one value, and the
 * snapshot's takes the place of what is there (as the application has them: naga-k/soulcaster, January 2026).
 */
export interface MemberList {
  readonly type: 'set' | 'zset';
  /** The key that a member stands for: a member whose key is nowhere is not added by `missing`. */
  readonly keyOf: (list: ClassifiedKey, member: string) => string;
  /**
   * Lists of one group and project hold a member once between them. Where both sides place it, `missing` goes by the live
   * database and `merge` by the snapshot. Null: a member may be in any number of lists.
   */
  readonly group: 'clustering' | 'source' | 'owner' | null;
  /** Sorted sets that hold the same members with the same scores; null when there are none. */
  readonly twin: ((list: ClassifiedKey) => readonly string[]) | null;
}

const item = ({ project }: ClassifiedKey, id: string): string => buildKey('feedback', { project, item: id });
const cluster = ({ project }: ClassifiedKey, id: string): string => buildKey('cluster', { project, cluster: id });
const legacyItem = (_: ClassifiedKey, id: string): string => buildKey('legacy-feedback', { item: id });

const byTime = ({ project }: ClassifiedKey): string[] => [buildKey('feedback-created', { project })];
const bySource = ({ project }: ClassifiedKey): string[] =>
  SOURCES.map((source) => buildKey('feedback-source', { project, source }));

/** Every family that is a list of members. `config` (subreddits: a JSON array in a string) and `job-logs` are values. */
const MEMBER_LISTS: Partial<Record<Family, MemberList>> = {
  'feedback-created': { type: 'zset', keyOf: item, group: null, twin: bySource },
  'feedback-source': { type: 'zset', keyOf: item, group: 'source', twin: byTime },
  'feedback-unclustered': { type: 'set', keyOf: item, group: 'clustering', twin: null },
  'cluster-items': { type: 'set', keyOf: item, group: 'clustering', twin: null },
  'clusters-all': { type: 'zset', keyOf: cluster, group: null, twin: null },
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
  'legacy-feedback-created': { type: 'zset', keyOf: legacyItem, group: null, twin: null },
  'legacy-feedback-unclustered': { type: 'set', keyOf: legacyItem, group: 'clustering', twin: null },
  'legacy-cluster-items': { type: 'set', keyOf: legacyItem, group: 'clustering', twin: null },
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

/** Null when the key's value is no list of members. */
export function memberListOf({ family }: ClassifiedKey): MemberList | null {
  return MEMBER_LISTS[family] ?? null;
}
