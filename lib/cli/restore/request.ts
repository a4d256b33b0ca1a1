import { AppError } from '../../errors.js';
import type { ExpiryRule, Mode } from '../../restore/model.js';
import type { RestoreRequest } from '../../restore/start.js';

/** What the command line says; `safety`, `settle` and `reindex` are false when their `--no-` is given. */
export interface RestoreOptions {
  readonly at?: string;
  readonly project?: string;
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
  const { at, project, target } = options;
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
    scope: scopeOf(project),
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

/** What `show --diff` asks: a replacement as `restore --dry-run` would plan it, so that both say the same. */
export function diffRequest(snapshot: string, project: string | undefined): RestoreRequest {
  return {
    snapshot,
    at: null,
    scope: scopeOf(project),
    mode: 'replace',
    expiry: 'keep',
    dryRun: true,
    target: null,
    safety: true,
    settle: null,
    confirm: null,
    allowIncomplete: false,
    trigger: 'cli',
  };
}

function scopeOf(project: string | undefined): RestoreRequest['scope'] {
  return project === undefined ? { all: true } : { project };
}
