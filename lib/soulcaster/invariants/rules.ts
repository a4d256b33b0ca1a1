/** The rules for the data of one project, each named after its violation, with a description of the violation. */
export const RULES = {
  /** The project has no hash: the dashboard does not know the project. */
  'project-missing': 'the project has no hash',
  /** The project's hash names no user. */
  'project-without-owner': 'the project names no user',
  /** `user:projects` of the project's user lacks the project. */
  'owner-without-project': "the user's list of projects lacks the project",
  /** `user:projects` of another user contains the project. */
  'project-of-another-user': 'another user also lists the project',
  /** An id of `feedback:created` has no hash. */
  'created-without-hash': 'items listed by time have no hash',
  /** An id of `feedback:created` is in no `feedback:source`. */
  'created-without-source': 'items listed by time are listed under no source',
  /** An id of a `feedback:source` is not in `feedback:created`. */
  'source-without-created': 'items listed under a source are not listed by time',
  /** An id is in more than one `feedback:source`. */
  'source-repeated': 'items are listed under two sources',
  /** An id is listed under another source than its hash names. */
  'source-differs': 'items are listed under the wrong source',
  /** The scores of an id in `feedback:created` and in its `feedback:source` are not equal. */
  'score-differs': 'items have different times in their two lists',
  /** A field of an item's hash is missing or invalid, so that the application leaves the item out. */
  'feedback-unreadable': 'the application cannot read these items',
  /** An item has an external id without a key: it would be ingested again. */
  'external-missing': 'external ids have no key',
  /** The key of an item's external id points to another item. */
  'external-elsewhere': 'keys of external ids point to other items',
  /** An id of `feedback:unclustered` is not in `feedback:created`. */
  'unclustered-without-created': 'items to be clustered are not listed by time',
  /** An id of a cluster's items is not in `feedback:created`. */
  'items-without-created': 'items of clusters are not listed by time',
  /** An id is in the items of more than one cluster. */
  'item-in-two-clusters': 'items are in two clusters',
  /** An id is in the items of a cluster and in `feedback:unclustered`. */
  'item-clustered-and-unclustered': 'items are in a cluster and also listed as unclustered',
  /** An item has a hash, but `feedback:created` lacks its id. */
  'item-not-listed': 'items are in no list',
  /** A clustering job has a hash, but `cluster_jobs:{project}:recent` lacks its id. */
  'cluster-job-not-listed': 'clustering jobs are in no list',
  /** The key of an external id points to a missing item; the example is the source and the external id. */
  'external-dangling': 'keys of external ids point to no item',
  /** An id of `clusters:{project}:all` has no hash. */
  'cluster-without-hash': 'listed clusters have no hash',
  /** A cluster has a hash, but `clusters:{project}:all` lacks its id. */
  'cluster-not-listed': 'clusters are not listed',
  /** The hash of a cluster lacks a field, so that the application leaves the cluster out. */
  'cluster-unreadable': 'the application cannot read these clusters',
  /** A cluster's hash has an invalid date, so that the application's whole list of clusters fails. */
  'cluster-breaks-list': 'clusters with an invalid date keep the application from listing any cluster',
  /** A coding plan exists, but its cluster does not. */
  'plan-without-cluster': 'coding plans have no cluster',
  /** An id of `cluster:jobs` has no hash. */
  'job-without-hash': 'listed jobs have no hash',
  /** A job of one of the project's clusters names another project. */
  'job-of-another-project': 'jobs of the clusters name another project',
  /** A job is listed under another cluster than its hash names. */
  'job-of-another-cluster': 'jobs are listed under the wrong cluster',
  /** `cluster:jobs` of a job's cluster lacks the job. */
  'job-not-listed': 'jobs are not listed under their cluster',
  /** A member of `github:repos` has no hash. */
  'repo-without-hash': 'listed repositories have no hash',
  /** A repository that items name has a hash, but `github:repos` lacks it. */
  'repo-not-listed': 'repositories are not listed',
  /** A key has another type than the application expects; the example is the key. */
  'wrong-type': 'keys are of another type than the application expects',
} as const;

export type Rule = keyof typeof RULES;

export interface Violation {
  readonly rule: Rule;
  /** How many distinct ids break the rule. */
  readonly count: number;
  /** The first few ids, sorted; never values. */
  readonly examples: readonly string[];
}

const EXAMPLES = 5;

/** Ids by the rule that they break; an id counts once per rule. */
export interface Tally {
  add(rule: Rule, id: string): void;
  has(rule: Rule): boolean;
  /** All ids that break a rule; empty if none does. */
  readonly ids: (rule: Rule) => ReadonlySet<string>;
  /** The broken rules, in the order of RULES. */
  result(): Violation[];
}

export function newTally(): Tally {
  const broken = new Map<Rule, Set<string>>();
  return {
    add(rule, id) {
      const ids = broken.get(rule) ?? new Set();
      broken.set(rule, ids.add(id));
    },
    has: (rule) => broken.has(rule),
    ids: (rule) => broken.get(rule) ?? new Set(),
    result: () =>
      (Object.keys(RULES) as Rule[]).flatMap((rule) => {
        const ids = [...(broken.get(rule) ?? [])].sort();
        return ids.length === 0 ? [] : [{ rule, count: ids.length, examples: ids.slice(0, EXAMPLES) }];
      }),
  };
}
