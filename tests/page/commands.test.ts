import { describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import fc, { anyCharacter } from '../support/fast-check.js';
import { buildProgram } from '../../lib/cli/program.js';
import { quoted } from '../../lib/restore/scope-words.js';
import { commands } from '../../page/words/commands.js';

const ANY = fc
  .string({ unit: anyCharacter, maxLength: 40 })
  .filter((text) => !text.includes('\0') && Buffer.from(text).toString() === text);
const LINES = [
  commands.backup(),
  commands.verify('20261122T020000Z-x7k2m9'),
  commands.drill(),
  commands.run('20261122T020000Z-x7k2m9'),
  commands.reindex({ scope: { all: true }, mode: 'in-place' }),
  commands.reindex({ scope: { project: 'p 1' }, mode: 'missing' }),
  commands.restore({ snapshot: 'latest', scope: { all: true }, mode: 'replace', dryRun: true }),
  commands.restore({ snapshot: 'latest', scope: { project: "it's" }, mode: 'merge', dryRun: false }),
  commands.restore({
    snapshot: 'latest',
    scope: { projects: ['a', 'b'], families: ['config'], matches: ['feedback:*'], keys: ['a b'] },
    mode: 'replace',
    dryRun: true,
  }),
  commands.restore({
    snapshot: 'latest',
    scope: { items: [{ project: 'p', id: '1' }] },
    mode: 'replace',
    dryRun: true,
  }),
];

/** What a shell makes of a line. */
async function wordsOf(line: string): Promise<string[]> {
  const { stdout } = await execa('bash', ['-c', `printf '%s\\0' ${line}`], { stripFinalNewline: false });
  return stdout.split('\0').slice(0, -1);
}

describe('the command lines that the page shows', () => {
  it('give a shell every id unchanged', async () => {
    const ids = fc.sample(ANY, 300);
    expect(await wordsOf(ids.map(quoted).join(' '))).toEqual(ids);
  });

  it('leave a plain id readable', () => {
    expect(commands.restore({ snapshot: 'latest', scope: { project: 'p1' }, mode: 'replace', dryRun: true })).toBe(
      'npx soulcaster-backup restore latest --project p1 --dry-run --env-file .env',
    );
  });

  it.each(LINES)('are understood by the command line: %s', async (line) => {
    const [, program, ...words] = await wordsOf(line);
    let performed = 0;
    const perform = (): Promise<void> => Promise.resolve(void (performed += 1));
    await buildProgram(perform).parseAsync([process.execPath, program ?? '', ...words]);
    expect(performed).toBe(1);
  });
});
