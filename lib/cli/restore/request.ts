import { AppError } from '../../errors.js';
import { scopeSchema, type ExpiryRule, type Item, type Mode } from '../../restore/model.js';
import { normalizeScope } from '../../restore/scope.js';
import type { RestoreRequest } from '../../restore/start.js';

/** The options of the command line; `safety`, `settle` and `reindex` are false if their `--no-` option is given. */
export interface RestoreOptions {
  readonly at?: string;
  /** Each of these can be repeated. */
  readonly project?: readonly string[];
  readonly family?: readonly string[];
  readonly match?: readonly string[];
  readonly key?: readonly string[];
  /** `PROJECT/ID`. */
  readonly item?: readonly string[];
  /** Restores everything in a safety snapshot, not only the scope of its restore. */
  readonly everything?: boolean;
  readonly mode: Mode;
  readonly ttl: ExpiryRule;
  readonly dryRun?: boolean;
  readonly target?: string;
  readonly safety: boolean;
  /** False with `--no-lock`: nothing is written to the store. */
  readonly lock?: boolean;
  readonly settle: boolean;
  readonly reindex: boolean;
  readonly allowIncomplete?: boolean;
  readonly replica?: boolean;
  readonly local?: boolean;
  readonly yes?: boolean;
  readonly fromSource?: boolean;
}

const LATEST = 'latest';

/** `wanted` is an id, `latest`, or undefined. Throws `usage` for options that contradict each other. */
export function requestOf(wanted: string | undefined, options: RestoreOptions): RestoreRequest {
  const { at, target } = options;
  if (at !== undefined && wanted !== undefined && wanted !== LATEST) {
    throw new AppError('usage', 'Both a snapshot and --at are given', {
      hint: 'Give either the id of a snapshot or --at.',
    });
  }
  if (options.lock === false && options.safety && options.dryRun !== true) {
    throw new AppError('usage', '--no-lock needs --no-safety', {
      hint: 'Without a lock nothing is written to the store, so the present state cannot be saved first and the restore cannot be undone.',
    });
  }
  return {
    snapshot: wanted ?? LATEST,
    at: at ?? null,
    scope: scopeOf(options),
    everything: options.everything === true,
    mode: options.mode,
    expiry: options.ttl,
    dryRun: options.dryRun === true,
    target: target ?? null,
    safety: options.safety,
    settle: options.settle ? null : false,
    reindex: options.reindex,
    confirm: null,
    allowIncomplete: options.allowIncomplete === true,
    fromSource: options.fromSource === true,
    trigger: 'cli',
  };
}

/** Throws `usage` for selections that cannot be combined. */
function scopeOf({
  family: families = [],
  item: items = [],
  key: keys = [],
  match: matches = [],
  project: projects = [],
}: Pick<RestoreOptions, 'family' | 'item' | 'key' | 'match' | 'project'>): RestoreRequest['scope'] {
  const isSelected = projects.length + families.length + matches.length + keys.length > 0;
  if (items.length > 0) {
    if (!isSelected) return normalizeScope({ items: items.map(itemOf) });
    throw new AppError('usage', '--item cannot be used with --project, --family, --match or --key', {
      hint: 'An item is restored with its place in every list, and nothing else. Give only --item.',
    });
  }
  if (!isSelected) return { all: true };
  const given = { projects, families, matches, keys };
  const parsed = scopeSchema.safeParse(given);
  // Selections over the limits are reported later, by the check of the selection.
  return normalizeScope(parsed.success ? parsed.data : (given as unknown as RestoreRequest['scope']));
}

/** Parses PROJECT/ID: ids of projects contain no slash. */
function itemOf(text: string): Item {
  const slash = text.indexOf('/');
  const [project, id] = [text.slice(0, slash), text.slice(slash + 1)];
  if (slash > 0 && id !== '') return { project, id };
  throw new AppError('usage', `${JSON.stringify(text.slice(0, 100))} is not an item`, {
    hint: 'Give it as PROJECT/ID: `npx soulcaster-backup find TEXT --env-file .env` shows both.',
  });
}
