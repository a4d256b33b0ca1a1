/**
 * The key grammar of Soulcaster's Redis data, in patterns: `{name}` stands for one segment that is not empty, `{name*}` for
 * the whole rest of the key, including colons. Taken from the application's source (naga-k/soulcaster).
 *
 * Two rules resolve ambiguities of the patterns:
 * - A word of the grammar is never an id. If some pattern has a word as its second segment (`created`, `source`,
 *   `external` and `unclustered` after `feedback`; `jobs`, `lock` and `items` after `cluster`), that word is not read as
 *   a project's or an item's id. Ids are UUIDs and CUIDs, so this excludes no real data, and `feedback:created:{project}`
 *   would be ambiguous otherwise.
 * - Only `{name*}` may hold a colon. A key with a segment too many, too few or empty is `other`.
 *
 * The `legacy-` families are from before there were projects: global, and still read by the application as fallbacks.
 */
const GRAMMAR = {
  feedback: ['feedback:{project}:{item}'],
  'feedback-created': ['feedback:created:{project}'],
  'feedback-source': ['feedback:source:{project}:{source}'],
  'feedback-external': ['feedback:external:{project}:{source}:{external*}'],
  'feedback-unclustered': ['feedback:unclustered:{project}'],
  cluster: ['cluster:{project}:{cluster}'],
  'cluster-items': ['cluster:{project}:{cluster}:items'],
  'clusters-all': ['clusters:{project}:all'],
  'cluster-job': ['cluster_job:{project}:{job}'],
  'cluster-jobs-recent': ['cluster_jobs:{project}:recent'],
  'coding-plan': ['coding_plan:{project}:{cluster}'],
  'cluster-lock': ['cluster:lock:{project}'],
  config: [
    'config:reddit:subreddits:{project}',
    'config:sentry:{project}:{setting}',
    'config:splunk:{project}:{setting}',
    'config:datadog:{project}:{setting}',
    'config:posthog:{project}:{setting}',
  ],
  'github-sync-state': ['github_sync_state:{project}:{owner}:{repo}'],
  'github-repos': ['github:repos:{project}'],
  'github-repo': ['github:repo:{project}:{repo}'],
  project: ['project:{project}'],
  job: ['job:{job}'],
  'job-logs': ['job:{job}:logs'],
  'cluster-jobs': ['cluster:jobs:{cluster}'],
  'user-projects': ['user:projects:{user}'],
  user: ['user:{user}'],
  'legacy-feedback': ['feedback:{item}'],
  'legacy-feedback-created': ['feedback:created'],
  'legacy-feedback-unclustered': ['feedback:unclustered'],
  'legacy-cluster': ['cluster:{cluster}'],
  'legacy-cluster-items': ['cluster:items:{cluster}'],
  'legacy-clusters-all': ['clusters:all'],
  'legacy-coding-plan': ['coding_plan:{cluster}'],
  'legacy-github-repos': ['github:repos'],
  'legacy-github-repo': ['github:repo:{repo}'],
} as const satisfies Record<string, readonly string[]>;

/** The purpose of a key; `other` is every key that is not Soulcaster's. */
export type Family = keyof typeof GRAMMAR | 'other';

/** All families, in the order of the grammar, `other` last. */
export const FAMILIES: readonly Family[] = [...(Object.keys(GRAMMAR) as (keyof typeof GRAMMAR)[]), 'other'];

/** The ids that a key can name besides its project. */
interface KeyParts {
  readonly item?: string;
  readonly source?: string;
  /** Id of the item in its source; may contain colons. */
  readonly external?: string;
  readonly cluster?: string;
  readonly job?: string;
  readonly user?: string;
  readonly owner?: string;
  /** `owner/name` in `github-repo`, the bare name in `github-sync-state`. */
  readonly repo?: string;
  readonly setting?: string;
}

export interface ClassifiedKey extends KeyParts {
  readonly family: Family;
  /** The project that the key itself names; null if it names none, even if its content belongs to one. */
  readonly project: string | null;
}

type PartName = keyof KeyParts | 'project';
type Segment = { readonly word: string } | { readonly part: PartName };

interface Rule {
  readonly family: Family;
  readonly segments: readonly Segment[];
  /** Whether the last segment takes the rest of the key. */
  readonly greedy: boolean;
}

interface Head {
  readonly rules: readonly Rule[];
  /** Words in second place in some pattern of this head. */
  readonly words: ReadonlySet<string>;
}

const HEADS: ReadonlyMap<string, Head> = compile();

/**
 * Classifies a key by its name alone. Accepts any string: a key that matches no pattern is
 * `{family: 'other', project: null}`.
 */
export function classifyKey(key: string): ClassifiedKey {
  const colon = key.indexOf(':');
  const head = colon < 0 ? undefined : HEADS.get(key.slice(0, colon));
  if (head === undefined) return { family: 'other', project: null };
  const segments = key.split(':');
  for (const rule of head.rules) {
    if (matches(rule, segments, head.words)) return describe(rule, segments);
  }
  return { family: 'other', project: null };
}

/** Builds a key from the first pattern of a family. A part that is not given is empty. */
export function buildKey(
  family: Exclude<Family, 'other'>,
  parts: KeyParts & { readonly project?: string | null },
): string {
  return GRAMMAR[family][0].replace(/\{(\w+)\*?\}/g, (_, name: PartName) => parts[name] ?? '');
}

function matches(rule: Rule, segments: readonly string[], words: ReadonlySet<string>): boolean {
  const wanted = rule.segments.length;
  if (rule.greedy ? segments.length < wanted : segments.length !== wanted) return false;
  for (let index = 1; index < wanted; index++) {
    const segment = rule.segments[index];
    const found = segments[index];
    if (segment === undefined || found === undefined) return false;
    if ('word' in segment) {
      if (found !== segment.word) return false;
    } else if (index === 1 && words.has(found)) {
      return false;
    } else if (found === '' && !(rule.greedy && index === wanted - 1 && segments.length > wanted)) {
      // A rest such as ":a" begins with an empty segment but is not empty.
      return false;
    }
  }
  return true;
}

function describe(rule: Rule, segments: readonly string[]): ClassifiedKey {
  const key: { family: Family; project: string | null } & Partial<Record<keyof KeyParts, string>> = {
    family: rule.family,
    project: null,
  };
  rule.segments.forEach((segment, index) => {
    if ('word' in segment) return;
    const last = rule.greedy && index === rule.segments.length - 1;
    key[segment.part] = last ? segments.slice(index).join(':') : (segments[index] ?? '');
  });
  return key;
}

function compile(): Map<string, Head> {
  const heads = new Map<string, { rules: Rule[]; words: Set<string> }>();
  for (const [family, patterns] of Object.entries(GRAMMAR) as [Family, readonly string[]][]) {
    for (const pattern of patterns) {
      const segments = pattern.split(':').map(segmentOf);
      const name = pattern.slice(0, pattern.indexOf(':'));
      const head = heads.get(name) ?? { rules: [], words: new Set<string>() };
      heads.set(name, head);
      head.rules.push({ family, segments, greedy: pattern.endsWith('*}') });
      const second = segments[1];
      if (second !== undefined && 'word' in second) head.words.add(second.word);
    }
  }
  return heads;
}

function segmentOf(text: string): Segment {
  return text.startsWith('{') ? { part: text.replace(/[{}*]/g, '') as PartName } : { word: text };
}
