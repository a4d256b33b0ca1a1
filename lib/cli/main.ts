import { CommanderError } from 'commander';
import { environment, type Environment } from '../app/config.js';
import { AppError, exitCodeOf } from '../errors.js';
import { createContext, type Context, type GlobalOptions } from './context.js';
import { explain, reportError } from './output/report-error.js';
import { buildProgram } from './program.js';

/** Runs the command line `argv` (without node and script) and returns the exit code. Throws nothing. */
export async function main(argv: readonly string[]): Promise<number> {
  let exit = 0;
  let env: Environment = environment();
  const output = endureReaders();
  const program = buildProgram((work) =>
    interruptible(program.opts<GlobalOptions>(), async (context) => {
      env = context.env;
      exit = await work(context);
    }),
  );
  try {
    await program.parseAsync(argv, { from: 'user' });
    const lost = await output.lost();
    if (lost === null) return exit;
    explain(lost, { env, err: (text) => void process.stderr.write(`${text}\n`) });
    return exit === 0 ? exitCodeOf(lost.code) : exit;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    // Commander may not have come as far as the option when it met the error.
    const json = argv.includes('--json');
    const out = (text: string): void => void process.stdout.write(`${text}\n`);
    const err = (text: string): void => void process.stderr.write(`${text}\n`);
    return reportError(error instanceof CommanderError ? usageError(error) : error, { env, json, out, err });
  }
}

async function interruptible(options: GlobalOptions, work: (context: Context) => Promise<void>): Promise<void> {
  const interruption = onInterrupt((text) => void process.stderr.write(`\n${text}\n`));
  try {
    const context = await createContext(options, interruption.signal);
    await work(context).finally(() => context.conclude());
  } finally {
    interruption.release();
  }
}

function usageError(error: CommanderError): AppError {
  const missing = error.code === 'commander.help';
  const message = missing ? 'No command was given' : error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
  return new AppError('usage', message, {
    hint: 'See `soulcaster-backup --help`, or `soulcaster-backup COMMAND --help` for one command.',
  });
}

/**
 * A reader that has seen enough, such as `head`, closes the pipe, and a terminal may be gone: that is no fault. Nor is
 * a full disk behind the standard output a reason to end before the work is done; it is told at the end.
 */
function endureReaders(): { lost(): Promise<AppError | null> } {
  let lost: NodeJS.ErrnoException | null = null;
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EIO' && error.code !== 'EPIPE') lost ??= error;
  });
  return {
    async lost() {
      await new Promise<void>((resolve) => void process.stdout.write('', () => resolve()));
      if (lost === null) return null;
      return new AppError('store-full', `The standard output cannot be written (${lost.code ?? 'unknown'})`, {
        hint: 'What was printed is not whole; what the command changed stands. Make room behind it, or print elsewhere.',
        cause: lost,
      });
    },
  };
}

/** The signals that ask a process to stop, as an abort signal. */
interface Interruption {
  readonly signal: AbortSignal;
  /** Gives the signals back to the system. */
  release(): void;
}

/** SIGHUP: the terminal was closed, or the connection to it was lost. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The first signal asks for an orderly end; the second ends the process at once. */
function onInterrupt(note: (text: string) => void): Interruption {
  const controller = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(exitCodeOf('interrupted'));
    note(
      `Stopping on ${signal}: what reads ends, and a run in this process ends as failed and frees its lease. Once more ends at once.`,
    );
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
