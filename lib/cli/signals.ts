import { AppError, exitCodeOf } from '../errors.js';

/** The signals that ask a process to stop, as an abort signal. */
interface Interruption {
  readonly signal: AbortSignal;
  /** Gives the signals back to the system. */
  release(): void;
}

/** SIGHUP: the terminal was closed, or the connection to it was lost. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The first signal asks for an orderly end; the second ends the process at once. */
export function onInterrupt(note: (text: string) => void): Interruption {
  const controller = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(exitCodeOf('interrupted'));
    note(`Stopping on ${signal}: the run ends as failed and frees its lease. Once more ends at once.`);
    controller.abort(
      new AppError('interrupted', `The command was interrupted by ${signal}`, {
        hint: 'Start it again; nothing half-done counts.',
      }),
    );
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  return {
    signal: controller.signal,
    release() {
      for (const name of SIGNALS) process.off(name, onSignal);
    },
  };
}
