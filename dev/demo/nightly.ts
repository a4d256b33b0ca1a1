import { z } from 'zod';
import { connect } from '../../lib/app/connect.js';
import { AppError } from '../../lib/errors.js';
import type { Stack } from '../stack/index.js';
import type { Ports } from '../../lib/ports/index.js';
import { isId } from '../../lib/runs/ids.js';
import { isOver, type RunRecord } from '../../lib/runs/model.js';
import { viewRun } from '../../lib/runs/summary.js';
import { loadRun } from '../../lib/runs/records.js';
import { loadManifest, type Manifest, sizesOf } from '../../lib/snapshot/manifest.js';
import { errorOfRun } from '../../lib/cli/carry-out.js';
import type { Context } from '../../lib/cli/context.js';
import { progressView } from '../../lib/cli/output/runs.js';
import { bytes, count, dollars, duration } from '../../lib/formats.js';
import { ratio } from '../../lib/cli/show.js';
import { countTable, facts } from '../../lib/cli/output/table.js';

interface Night {
  readonly manifest: Manifest;
  /** From the call of the cron to the end of the run. */
  readonly milliseconds: number;
}

type Needs = Pick<Ports, 'clock' | 'store'>;

const CRON = '/api/cron/backup';
const POLL_MS = 250;

const answerSchema = z.object({ runId: z.string() });
const problemSchema = z.object({ detail: z.string().optional(), title: z.string().optional() });

/** Fires the nightly cron and shows its run until the end. Throws the run's error. */
export async function nightlyBackup(context: Context, stack: Stack): Promise<Night> {
  const ports = connect(stack.env, ['clock', 'store']);
  const from = ports.clock.now();
  const view = progressView(context, () => ports.clock.now());
  const answered = new AbortController();
  const calling = stack.functions.fireCron(CRON).finally(() => answered.abort());
  try {
    await showUntilAnswered(ports, answered.signal, (run) => view.update(run));
    const id = await readRunId(await calling);
    const run = await showUntilEnd(ports, id, context.interrupt, (record) => view.update(record));
    const error = errorOfRun(run);
    if (error !== null) throw error;
    const loaded = await loadManifest(ports.store, id);
    if (loaded === null) throw callError('the run ended without a manifest');
    return { manifest: loaded.manifest, milliseconds: ports.clock.now() - from };
  } finally {
    view.stop();
    // The answer was awaited above, or an earlier error is thrown.
    calling.catch(() => undefined);
  }
}

/** Shows the newest run until the cron's call is answered, which is at the end of the first attempt. */
async function showUntilAnswered(ports: Needs, answered: AbortSignal, show: (run: RunRecord) => void): Promise<void> {
  while (!answered.aborted) {
    let newest: string | null = null;
    for await (const folder of ports.store.folders('runs/')) if (isId(folder)) newest = folder;
    const run = newest === null ? null : await loadRun(ports.store, newest).catch(() => null);
    if (run !== null) show(run.record);
    await ports.clock.sleep(POLL_MS, answered);
  }
}

/** Shows a run until it is over. */
export async function showUntilEnd(
  ports: Needs,
  id: string,
  interrupt: AbortSignal,
  show: (run: RunRecord) => void,
): Promise<RunRecord> {
  for (;;) {
    const record = await viewRun(ports.store, id);
    show(record);
    if (isOver(record)) return record;
    if (interrupt.aborted) throw interrupt.reason;
    await ports.clock.sleep(POLL_MS, interrupt);
  }
}

/** Reads the id of the started run from an answer. Throws when the answer is a problem. */
export async function readRunId(response: Response): Promise<string> {
  const body: unknown = await response.json().catch(() => null);
  const answer = answerSchema.safeParse(body);
  if (answer.success) return answer.data.runId;
  const problem = problemSchema.safeParse(body).data;
  throw callError(`HTTP ${response.status} ${problem?.detail ?? problem?.title ?? ''}`.trim());
}

function callError(what: string): AppError {
  return new AppError('internal', `The call failed: ${what}`, {
    hint: 'Run the demo again with DEBUG=1; if it fails again, report what it prints.',
  });
}

/** How many families are listed; the others are counted together. */
const NAMED = 12;

/** Renders the figures of the nightly backup. */
export function demoSummary({ manifest, milliseconds }: Night): string {
  const { counts, parts, spent } = manifest;
  const { plain, stored } = sizesOf(manifest);
  const same = (name: string): string => name;
  return [
    countTable('type', counts.byType, same),
    countTable('family', largest(counts.byFamily), same),
    facts([
      ['keys', count(counts.keys)],
      ['parts', count(parts.length)],
      ['bytes', `${bytes(plain)} plain, ${bytes(stored)} stored`],
      ['compression', ratio(plain, stored)],
      ['commands', `${count(spent.commands)} in ${count(spent.requests)} requests`],
      ['commands a key', (spent.commands / Math.max(counts.keys, 1)).toFixed(2)],
      ['price', `${dollars(spent.estimatedUsd)} a night, ${dollars(spent.estimatedUsd * 30)} a month`],
      ['time', duration(milliseconds)],
    ]),
  ].join('\n\n');
}

/** The largest families by name, the others as one. */
function largest(counts: Readonly<Record<string, number>>): Record<string, number> {
  const sorted = Object.entries(counts).sort(([, a], [, b]) => b - a);
  const others = sorted.slice(NAMED).reduce((sum, [, keys]) => sum + keys, 0);
  const rest = sorted.length - NAMED;
  return { ...Object.fromEntries(sorted.slice(0, NAMED)), ...(rest > 0 ? { [`${rest} other families`]: others } : {}) };
}
