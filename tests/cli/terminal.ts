import { execa } from 'execa';
import { join } from 'node:path';
import { ROOT, type Variables } from './fixture.js';

const BINARY = join(ROOT, 'bin/soulcaster-backup.js');

export interface OnTerminal {
  readonly code: number;
  /** Everything that was shown, without carriage returns. */
  readonly screen: string;
  /** How many of the questions were asked and answered. */
  readonly answered: number;
}

/** Runs the program on a separate terminal and types the next answer whenever the next question is asked. */
export async function onTerminal(
  args: readonly string[],
  env: Variables,
  answers: readonly (readonly [question: RegExp, answer: string])[],
  columns?: number,
): Promise<OnTerminal> {
  const size = columns === undefined ? '' : `stty cols ${columns} rows 40; `;
  const command = size + [BINARY, ...args].map((word) => `'${word}'`).join(' ');
  const child = execa('script', ['-qec', command, '/dev/null'], {
    env: { PATH: process.env['PATH'] ?? '', SHELL: '/bin/sh', TERM: 'xterm', ...env },
    extendEnv: false,
    reject: false,
    cleanup: true,
  });
  let screen = '';
  let answered = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    screen += chunk.toString('utf8');
    const [question, answer] = answers[answered] ?? [];
    if (question === undefined || answer === undefined || !question.test(screen)) return;
    answered += 1;
    child.stdin.write(answer);
  });
  const { exitCode } = await child;
  return { code: exitCode ?? -1, screen: screen.replaceAll('\r', ''), answered };
}
