import { AppError } from '../../errors.js';
import { scopeSchema, type ExpiryRule, type Item, type Mode } from '../../restore/model.js';
import { normalizeScope, isUnbounded } from '../../restore/scope.js';
import { type RestoreRequest, prepareRestore, startRestore } from '../../restore/start.js';
import type { FullApp } from '../../app/app.js';
import type { Started } from '../../runs/engine.js';
import type { RunRecord } from '../../runs/model.js';
import { carryOut, carryOutReadOnly, finishCommand } from '../carry-out.js';
import type { Context } from '../context.js';
import { confirmTyped } from '../prompt.js';
import { scopeWords, targetWords, changesAnything, planView } from './plan-view.js';
import { openResult, restoreErrorOf } from './ending.js';
import { dryRunResult, type DryRunResult } from '../../restore/result.js';

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

/** Opens the program; with `inMemory`, it writes nothing to the store. */
export type OpenApp = (inMemory: boolean) => FullApp;

interface DryRun {
  readonly run: RunRecord;
  readonly error: AppError | null;
  /** Null if it failed. */
  readonly result: DryRunResult | null;
}

/** Shows the plan of a restore and changes nothing. Returns the exit code. */
export async function showPlan(
  context: Context,
  open: OpenApp,
  request: RestoreRequest & { readonly snapshot: string },
): Promise<number> {
  const dryRequest = { ...request, dryRun: true };
  const start = async (app: FullApp): Promise<Started> =>
    startRestore(app.engine, await prepareRestore(app.ports, dryRequest));
  const { app, run: ended } = await carryOutReadOnly(context, open, start, request.snapshot);
  const { run, error, result } = await resultOf(context, app, ended);
  if (result !== null) context.print(planView(result));
  return finishCommand(context, run, error);
}

/**
 * Shows the plan, asks for confirmation, and returns whether to continue: false if there is nothing to do. Throws the error of
 * the dry run, and `not-confirmed` on any other answer.
 */
export async function confirmRestore(context: Context, app: FullApp, request: RestoreRequest): Promise<boolean> {
  context.note('First a dry run, which changes nothing.');
  const { run, error, result } = await performDryRun(context, app, request);
  if (result === null)
    throw error ?? new AppError('internal', 'A dry run ended without a plan', { hint: 'Report this as a defect.' });
  if (error !== null && error.code !== 'incomplete') {
    context.note(`\n${planView(result)}\n`);
    throw error;
  }
  if (!changesAnything(result.plan)) {
    context.print(planView(result));
    finishCommand(context, run, null);
    return false;
  }
  context.note(`\n${planView(result)}\n`);
  const isWhole = isUnbounded(request.scope) && request.mode === 'replace';
  const where = targetWords(result);
  const question = isWhole
    ? `This replaces ${scopeWords(request)} in ${where}. To continue, type the snapshot's id: `
    : `This writes into ${where} (${scopeWords(request)}). To continue, type yes: `;
  await confirmTyped(context, question, isWhole ? request.snapshot : 'yes');
  return true;
}

async function performDryRun(context: Context, app: FullApp, request: RestoreRequest): Promise<DryRun> {
  const prepared = await prepareRestore(app.ports, { ...request, dryRun: true });
  return resultOf(context, app, await carryOut(context, app, await startRestore(app.engine, prepared)));
}

async function resultOf(context: Context, app: FullApp, ended: RunRecord): Promise<DryRun> {
  const run = { ...ended, result: await openResult(context.env, app.ports.encryptor, ended.result) };
  return { run, error: restoreErrorOf(run, app.queued), result: dryRunResult(run.result) };
}
