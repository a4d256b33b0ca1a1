import { AppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { ObjectStore } from '../ports/store.js';
import { isOver, type RunRecord } from '../runs/model.js';
import { viewRun } from '../runs/summary.js';
import type { Context } from './context.js';
import { silenceWords, waitingWords } from './output/phases.js';
import { progressView } from './output/progress.js';

interface FollowPorts {
  readonly clock: Clock;
  readonly store: ObjectStore;
}

type FollowContext = Pick<Context, 'interrupt' | 'note' | 'onTerminal'>;

/** How often the record is read, in milliseconds. */
const POLL_MS = 1_000;
/** After this time without progress, in milliseconds, a run is reported as silent. */
const SILENCE_MS = 60_000;

/**
 * Shows the progress of a run in other processes until it is over, and returns its record. Throws `not-found` for an unknown
 * run, `interrupted` on an interrupt: the run continues.
 */
export async function follow(context: FollowContext, ports: FollowPorts, id: string): Promise<RunRecord> {
  const printer = createRunPrinter(context, ports.clock);
  try {
    for (;;) {
      const record = await viewRun(ports.store, id);
      printer.update(record);
      if (isOver(record)) return record;
      if (context.interrupt.aborted) throw followInterruptedError(id);
      await ports.clock.sleep(POLL_MS, context.interrupt);
    }
  } finally {
    printer.stop();
  }
}

/** Shows a bar or lines while the run works, and prints once that it waits or is silent. */
function createRunPrinter(context: FollowContext, clock: Clock): { update(run: RunRecord): void; stop(): void } {
  let view = progressView(context, () => clock.now());
  let remark = '';
  const noteOnce = (text: string): void => {
    if (text === remark) return;
    remark = text;
    // The bar is removed first: redrawing it would overwrite the note.
    view.stop();
    view = progressView(context, () => clock.now());
    context.note(text);
  };
  return {
    update(run) {
      if (run.state === 'waiting') {
        noteOnce(`run ${run.id} ${waitingWords(run)}`);
        return;
      }
      view.update(run);
      if (!isOver(run) && clock.now() - Date.parse(run.updatedAt) > SILENCE_MS) noteOnce(silenceWords(run));
    },
    stop: () => view.stop(),
  };
}

function followInterruptedError(id: string): AppError {
  return new AppError('interrupted', `Run ${id} is no longer watched; it continues`, {
    hint: `No action is needed: \`npx soulcaster-backup run ${id} --env-file .env\` shows its progress.`,
  });
}
