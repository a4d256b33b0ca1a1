import { AppError } from '../../errors.js';
import { scopeSchema, type ExpiryRule, type Item, type Mode } from '../../restore/model.js';
import { normalizeScope } from '../../restore/selected.js';
import type { RestoreRequest } from '../../restore/start.js';

/** What the command line says; `safety`, `settle` and `reindex` are false when their `--no-` is given. */
export interface RestoreOptions {
  readonly at?: string;
  /** Each may be given more than once. */
  readonly project?: readonly string[];
  readonly family?: readonly string[];
  readonly match?: readonly string[];
  readonly key?: readonly string[];
  /** `PROJECT/ID`. */
  readonly item?: readonly string[];
  /** Of a safety snapshot: everything in it, and not only what its restore touched. */
  readonly everything?: boolean;
  readonly mode: Mode;
  readonly ttl: ExpiryRule;
  readonly dryRun?: boolean;
  readonly target?: string;
  readonly safety: boolean;
  /** False with `--no-lock`: nothing is written into the store. */
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

/** `wanted` is an id, `latest`, or undefined when it was left out. Throws `usage` when the words contradict each other. */
export function requestOf(wanted: string | undefined, options: RestoreOptions): RestoreRequest {
  const { at, target } = options;
  if (at !== undefined && wanted !== undefined && wanted !== LATEST) {
    throw new AppError('usage', 'Both a snapshot and --at are given', {
      hint: 'Name the snapshot by its id, or give the time with --at alone.',
    });
  }
  if (options.lock === false && options.safety && options.dryRun !== true) {
    throw new AppError('usage', '--no-lock takes --no-safety as well', {
      hint: 'Without a lock nothing is written into the store, so what is there now cannot be saved first: there is no way back.',
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

/** Throws `usage` for what can select nothing. */
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
    throw new AppError('usage', '--item goes with no --project, --family, --match or --key', {
      hint: 'An item is restored with its place in every list, and with nothing else. Give --item alone.',
    });
  }
  if (!isSelected) return { all: true };
  const given = { projects, families, matches, keys };
  const parsed = scopeSchema.safeParse(given);
  // What is too long or too much is told in the words of the selection, which checks the same.
  return normalizeScope(parsed.success ? parsed.data : (given as unknown as RestoreRequest['scope']));
}

/** No id of a project has a slash. */
function itemOf(text: string): Item {
  const slash = text.indexOf('/');
  const [project, id] = [text.slice(0, slash), text.slice(slash + 1)];
  if (slash > 0 && id !== '') return { project, id };
  throw new AppError('usage', `${JSON.stringify(text.slice(0, 100))} is no item`, {
    hint: 'Give it as PROJECT/ID: `npx soulcaster-backup find TEXT --env-file .env` shows both.',
  });
}
