import { AppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { ObjectStore } from '../ports/store.js';
import { isOver } from '../runs/ending.js';
import { viewRun } from '../runs/live.js';
import type { RunRecord } from '../runs/model.js';
import type { Context } from './context.js';
import { silenceWords, waitingWords } from './output/phases.js';
import { progressView } from './output/progress.js';

interface FollowPorts {
  readonly clock: Clock;
  readonly store: ObjectStore;
}

type Watcher = Pick<Context, 'interrupt' | 'note' | 'onTerminal'>;

/** How often the record is looked at, in milliseconds. */
const POLL_MS = 1_000;
/** When a run that is in progress has not been heard of for so long, something is in the way. */
const SILENCE_MS = 60_000;

/**
 * Shows a run that others work on until it is over, and returns its record. Throws `not-found` when there is no such
 * run, `interrupted` when the watching is broken off: the run continues.
 */
export async function follow(context: Watcher, ports: FollowPorts, id: string): Promise<RunRecord> {
  const told = printer(context, ports.clock);
  try {
    for (;;) {
      const record = await viewRun(ports.store, id);
      told.update(record);
      if (isOver(record)) return record;
      if (context.interrupt.aborted) throw brokenOff(id);
      await ports.clock.sleep(POLL_MS, context.interrupt);
    }
  } finally {
    told.stop();
  }
}

/** A bar or lines while the run works; that it waits, or that nothing is heard of it, is told once. */
function printer(context: Watcher, clock: Clock): { update(run: RunRecord): void; stop(): void } {
  let view = progressView(context, () => clock.now());
  let remark = '';
  const tell = (text: string): void => {
    if (text === remark) return;
    remark = text;
    // A bar is drawn over; what is written below it would be lost.
    view.stop();
    view = progressView(context, () => clock.now());
    context.note(text);
  };
  return {
    update(run) {
      if (run.state === 'waiting') {
        tell(`run ${run.id} ${waitingWords(run)}`);
        return;
      }
      view.update(run);
      if (!isOver(run) && clock.now() - Date.parse(run.updatedAt) > SILENCE_MS) tell(silenceWords(run));
    },
    stop: () => view.stop(),
  };
}

function brokenOff(id: string): AppError {
  return new AppError('interrupted', `Run ${id} is no longer watched; it continues`, {
    hint: `Nothing to do: \`npx soulcaster-backup run ${id} --env-file .env\` tells how it goes.`,
  });
}
