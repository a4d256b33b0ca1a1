import { AsyncLocalStorage } from 'node:async_hooks';
import { Readable, Writable } from 'node:stream';
import { main } from '../../lib/cli/main.js';

export type Variables = Readonly<Record<string, string>>;

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a command line that runs within this process takes for its own. */
interface Surroundings {
  readonly env: Variables;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

const surroundings = new AsyncLocalStorage<Surroundings>();
for (const name of ['env', 'stdin', 'stdout', 'stderr'] as const) {
  const own = Object.getOwnPropertyDescriptor(process, name);
  const ofProcess: () => unknown = own?.get?.bind(process) ?? (() => own?.value as unknown);
  Object.defineProperty(process, name, {
    get: () => surroundings.getStore()?.[name] ?? ofProcess(),
    configurable: true,
  });
}

/**
 * Runs the command line within this process, with exactly these variables and this standard input; several at once keep
 * apart. Nothing is a terminal.
 */
export async function runHere(args: readonly string[], env: Variables, input = ''): Promise<Ended> {
  if ('TMPDIR' in env) throw new Error('node reads TMPDIR of the process alone: run this by a process');
  const stdin = Readable.from([Buffer.from(input)]);
  const [stdout, out] = collected();
  const [stderr, err] = collected();
  const code = await surroundings.run({ env, stdin, stdout, stderr }, () => main(args));
  return { code, stdout: out(), stderr: err() };
}

/** A stream that is no terminal, and its text without the last line's end, as execa has it. */
function collected(): readonly [Writable, () => string] {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  return [
    stream,
    () =>
      Buffer.concat(chunks)
        .toString('utf8')
        .replace(/\r?\n$/, ''),
  ];
}
