import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parseEnvFile } from '../../lib/app/config/env-file.js';
import { openClouds, type Clouds } from './setup-fixture.js';
import { onTerminal } from './terminal.js';

const CTRL_C = '\u0003';
const ENTER = '\r';
const NO = 'n';

let clouds: Clouds;
beforeAll(async () => {
  clouds = await openClouds();
});
afterAll(() => clouds.stop());

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'init-terminal-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

type Step = readonly [question: RegExp, answer: string];

const file = (): string => join(folder, '.env');

/** What a narrow window puts between any two letters: a line end, the bar beside it, colours. */
const WRAP = '(?:[\\s│]|\\u001b\\[[0-9;]*m)*';

/** An open question is drawn with this sign, an answered one with another. */
const q = (words: string): RegExp => new RegExp(`◆[^◆◇■]*${Array.from(words).join(WRAP)}`);

/** The way through all questions, with the least that works. */
function steps(): Step[] {
  const { redis } = clouds.stack;
  return [
    [q('BACKUP_LABEL'), `here${ENTER}`],
    [q('Upstash account:'), NO],
    [q('UPSTASH_REDIS_REST_URL'), `${redis.url}${ENTER}`],
    [q('UPSTASH_REDIS_REST_TOKEN'), `${redis.token}${ENTER}`],
    [q('BACKUP_STORE'), `file://${folder}/store${ENTER}`],
    [q('Vercel project of this program:'), NO],
    [q('Queue'), NO],
    [q('Encryption:'), ENTER],
    [q('Alerts:'), NO],
    [q('Heartbeat:'), NO],
    [q('Scratch database for drills:'), NO],
    [q('Second store:'), NO],
    [q('Vector index:'), NO],
    [q('Soulcaster’s backend:'), NO],
    [q('GitHub token of the application:'), NO],
    [q('Write '), ENTER],
    [q('Show the identity'), ENTER],
  ];
}

const init = (answers: readonly Step[], columns = 80) => onTerminal(['init', '--file', file()], {}, answers, columns);

const before = (words: string, ...then: Step[]): Step[] => {
  const all = steps();
  const end = all.findIndex(([{ source }]) => source === q(words).source);
  expect(end).toBeGreaterThan(0);
  return [...all.slice(0, end), ...then];
};

describe('init on a terminal', () => {
  it('asks, checks each service immediately, and writes at the end; secrets are shown nowhere, not even in the process list', async () => {
    const seen: string[] = [];
    const watch = setInterval(() => {
      void promisify(execFile)('ps', ['axww', '-o', 'args'])
        .then(({ stdout }) => void seen.push(stdout))
        .catch(() => undefined);
    }, 100);
    const { answered, code, screen } = await init(steps()).finally(() => clearInterval(watch));
    expect(screen).toContain('ok    redis');
    expect([answered, code]).toEqual([steps().length, 0]);
    const env = parseEnvFile(readFileSync(file()));
    const { redis } = clouds.stack;
    expect(env).toMatchObject({ BACKUP_LABEL: 'here', UPSTASH_REDIS_REST_TOKEN: redis.token });
    expect(readdirSync(folder).sort()).toEqual(['.env', 'age-identity.txt', 'store']);
    expect(seen.length).toBeGreaterThan(0);
    for (const secret of [redis.token, env['ADMIN_TOKEN'] ?? '', env['BACKUP_SIGNING_KEY'] ?? '', 'AGE-SECRET-KEY']) {
      expect(screen).not.toContain(secret);
      expect(seen.join()).not.toContain(secret);
    }
    // What is left out, and what it costs, as doctor says it.
    expect(screen).toContain('nobody is told when a backup fails or a snapshot is damaged');
  });

  it('asks again after a wrong token and an unreachable host, if the operator chooses so', async () => {
    const { redis } = clouds.stack;
    const answers: Step[] = [
      ...before('UPSTASH_REDIS_REST_TOKEN', [q('UPSTASH_REDIS_REST_TOKEN'), `wrong-wrong-wrong${ENTER}`]),
      [q('something failed'), ENTER],
      [/FAIL  redis[\s\S]*◆[^◆◇■]*UPSTASH_REDIS_REST_URL/, ENTER],
      [/FAIL  redis[\s\S]*◆[^◆◇■]*UPSTASH_REDIS_REST_TOKEN/, `${redis.token}${ENTER}`],
      [q('BACKUP_STORE'), CTRL_C],
    ];
    const { answered, code, screen } = await init(answers);
    expect([answered, code, readdirSync(folder)]).toEqual([answers.length, 130, []]);
    expect(screen).toMatch(/ok {4}redis/);
    for (const secret of [redis.token, 'wrong-wrong']) expect(screen).not.toContain(secret);
  });

  it.each<[string, () => Step[], number]>([
    ['a text', () => before('UPSTASH_REDIS_REST_URL', [q('UPSTASH_REDIS_REST_URL'), `http://${CTRL_C}`]), 80],
    [
      'a secret, half typed',
      () => before('UPSTASH_REDIS_REST_TOKEN', [q('UPSTASH_REDIS_REST_TOKEN'), `abc${CTRL_C}`]),
      80,
    ],
    ['a yes or no', () => before('Encryption:', [q('Encryption:'), CTRL_C]), 80],
    ['the last one, in a narrow window', () => before('Write ', [q('Write '), CTRL_C]), 30],
  ])('is broken off by Ctrl-C at %s: nothing is written', async (_, answers, columns) => {
    const { answered, code, screen } = await init(answers(), columns);
    expect([answered, code]).toEqual([answers().length, 130]);
    expect(readdirSync(folder).filter((name) => name !== 'store')).toEqual([]);
    expect(screen.replaceAll(/\s+/g, ' ')).toContain('nothing was written');
    expect(screen).not.toContain(clouds.stack.redis.token);
  });

  it('reports the written file when the last question is cancelled', async () => {
    const { code, screen } = await init([...before('Show the identity'), [q('Show the identity'), CTRL_C]]);
    expect([code, readdirSync(folder).sort()]).toEqual([0, ['.env', 'age-identity.txt', 'store']]);
    expect(screen).toContain('Written: ');
    expect(screen).not.toContain('nothing was written');
  });

  it('leaves an existing file unchanged without confirmation', async () => {
    const { redis } = clouds.stack;
    const present = `# mine\nUPSTASH_REDIS_REST_URL=${redis.url}\nUPSTASH_REDIS_REST_TOKEN=${redis.token}\nBACKUP_STORE=file://${folder}/store\n`;
    writeFileSync(file(), present);
    const there = [
      'UPSTASH_REDIS_REST_URL',
      'UPSTASH_REDIS_REST_TOKEN',
      'BACKUP_STORE',
      'Write ',
      'Show the identity',
    ].map((words) => q(words).source);
    const asked = steps().filter(([{ source }]) => !there.includes(source));
    const { answered, code, screen } = await init([...asked, [q('Change '), NO]]);
    expect([answered, code, readFileSync(file(), 'utf8')]).toEqual([asked.length + 1, 2, present]);
    expect(readdirSync(folder).filter((name) => name !== 'store')).toEqual(['.env']);
    expect(screen).toContain('+ BACKUP_LABEL=here');
    expect(screen).toContain('Nothing was written');
  });
});
