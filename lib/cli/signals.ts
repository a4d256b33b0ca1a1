import { AppError, exitCodeOf } from '../errors.js';

/** The signals that ask a process to stop, as an abort signal. */
export interface Interruption {
  readonly signal: AbortSignal;
  /** Gives the signals back to the system. */
  release(): void;
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** The first signal asks for an orderly end; the second ends the process at once. */
export function onInterrupt(note: (text: string) => void): Interruption {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(exitCodeOf('interrupted'));
    note('Stopping. Once more ends at once.');
    controller.abort(
      new AppError('interrupted', 'The command was interrupted', {
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
