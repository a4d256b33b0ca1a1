import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openStack, type CliStack, type Variables } from './fixture.js';
import { redis, stateOf, taken } from './restore-fixture.js';
import { onTerminal } from './terminal.js';

const QUESTION = /type (yes|the snapshot's id): $/;
const END_OF_INPUT = '\u0004';
const CTRL_C = '\u0003';

let stack: CliStack;
let env: Variables;
let url: string;
let snapshot: string;
beforeAll(async () => {
  stack = await openStack();
  env = await stack.alone();
  url = stack.urls.redis;
  snapshot = await taken(env);
});
afterAll(() => stack.stop());

/** Runs the program on a separate terminal and types `answer` when it is asked. */
async function typing(
  args: readonly string[],
  answer: string,
): Promise<{ code: number; screen: string; asked: boolean }> {
  const { answered, ...rest } = await onTerminal(args, env, [[QUESTION, answer]]);
  return { ...rest, asked: answered === 1 };
}

describe('restore on a terminal', () => {
  it('shows the plan and restores when the id is typed', async () => {
    const whole = await stateOf(url);
    await redis(url, 'SET', 'stray:key', 'newer');
    const { code, screen, asked } = await typing(['restore', '--no-settle'], `${snapshot}\r`);
    expect([code, asked]).toEqual([0, true]);
    expect(screen).toMatch(/^total( +-){2} +\d+( +-){2} +1$/m);
    expect(screen.indexOf('stray:key')).toBeLessThan(screen.indexOf('type the snapshot'));
    expect(screen).toContain(`Restored snapshot ${snapshot}`);
    expect(await stateOf(url)).toEqual(whole);
  });

  it.each([
    ['another answer', ['restore'], 'yes\r'],
    ['no answer', ['restore'], '\r'],
    ['the end of the input', ['restore'], END_OF_INPUT],
    ['a no, for less than everything,', ['restore', '--mode', 'missing'], 'no\r'],
  ])('%s changes nothing and ends with 2', async (_, args, answer) => {
    await redis(url, 'DEL', `clusters:all`);
    await redis(url, 'SET', 'stray:key', 'newer');
    const before = await stateOf(url);
    const { code, screen, asked } = await typing(args, answer);
    expect([code, asked]).toEqual([2, true]);
    expect(screen).toContain('error: Nothing was changed');
    expect(await stateOf(url)).toEqual(before);
  });

  it('changes nothing on Ctrl-C at the question and exits with 130', async () => {
    await redis(url, 'SET', 'stray:key', 'newer');
    const before = await stateOf(url);
    const { code, asked } = await typing(['restore'], CTRL_C);
    expect([code, asked]).toEqual([130, true]);
    expect(await stateOf(url)).toEqual(before);
  });

  it('accepts yes for a partial restore, and does not ask when there is nothing to do', async () => {
    await redis(url, 'DEL', `clusters:all`);
    const args = ['restore', '--mode', 'missing'];
    const { code, asked } = await typing(args, 'yes\r');
    expect([code, asked]).toEqual([0, true]);
    expect(await redis(url, 'EXISTS', 'clusters:all')).toBe(1);
    const again = await typing(args, 'yes\r');
    expect([again.code, again.asked]).toEqual([0, false]);
    expect(again.screen).toContain('Nothing would change');
  });
});
