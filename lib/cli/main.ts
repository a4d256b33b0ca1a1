import { CommanderError } from 'commander';
import { environment, type Environment } from '../app/config.js';
import { AppError, exitCodeOf } from '../errors.js';
import { createContext, type Context, type GlobalOptions } from './context.js';
import { printError, reportError } from './output/report-error.js';
import { nameEnvFile } from './output/text.js';
import { buildProgram } from './program.js';

/** Runs the command line `argv` (without node and script) and returns the exit code. Throws nothing. */
export async function main(argv: readonly string[]): Promise<number> {
  let exit = 0;
  let env: Environment = environment();
  const output = handleOutputErrors();
  const note = (text: string): void =>
    void process.stderr.write(`${nameEnvFile(text, program.opts<GlobalOptions>().envFile)}\n`);
  const program = buildProgram((work) =>
    withInterrupts(program.opts<GlobalOptions>(), async (context) => {
      env = context.env;
      exit = await work(context);
    }),
  );
  try {
    await program.parseAsync(argv, { from: 'user' });
    const lost = await output.lost();
    if (lost === null) return exit;
    printError(lost, { env, note });
    return exit === 0 ? exitCodeOf(lost.code) : exit;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    // Commander may not have parsed --json before it met the error.
    const json = argv.includes('--json');
    const { envFile } = program.opts<GlobalOptions>();
    const out = (text: string): void => void process.stdout.write(`${text}\n`);
    return reportError(error instanceof CommanderError ? usageError(error) : error, { env, envFile, json, out, note });
  }
}

async function withInterrupts(options: GlobalOptions, work: (context: Context) => Promise<void>): Promise<void> {
  const interruption = catchSignals((text) => void process.stderr.write(`\n${text}\n`));
  try {
    const context = await createContext(options, interruption.signal);
    await work(context).finally(() => context.close());
  } finally {
    interruption.release();
  }
}

function usageError(error: CommanderError): AppError {
  const missing = error.code === 'commander.help';
  const message = missing ? 'No command was given' : error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
  return new AppError('usage', message, {
    hint: 'See `npx soulcaster-backup --help`, or `npx soulcaster-backup COMMAND --help` for one command.',
  });
}

/**
 * Ignores a closed pipe, such as `head` leaves, and a lost terminal. Other write errors, such as a full disk behind the standard
 * output, do not stop the work and are reported at the end.
 */
function handleOutputErrors(): { lost(): Promise<AppError | null> } {
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
        hint: 'The output is incomplete, but the changes of the command are done. Free space there, or redirect the output elsewhere.',
        cause: lost,
      });
    },
  };
}

/** The signals to stop a process, as an abort signal. */
interface Interruption {
  readonly signal: AbortSignal;
  /** Restores the default handling of the signals. */
  release(): void;
}

/** SIGHUP: the terminal was closed, or the connection to it was lost. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The first signal stops in an orderly way; the second ends the process immediately. */
function catchSignals(note: (text: string) => void): Interruption {
  const controller = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(exitCodeOf('interrupted'));
    note(
      `Stopping on ${signal}: reading stops, and a run in this process ends as failed and releases its lease. Send the signal again to exit immediately.`,
    );
    controller.abort(
      new AppError('interrupted', `The command was interrupted by ${signal}`, {
        hint: 'Run it again; incomplete work is not used.',
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
