import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { buildProgram } from '../../lib/cli/program.js';
import { commandShapes } from '../../lib/cli/shell/grammar.js';
import { manPage } from '../../lib/cli/shell/print.js';
import { completionScript } from '../../lib/cli/shell/scripts.js';

const run = promisify(execFile);
const shapes = commandShapes(buildProgram(() => Promise.resolve()));

/** What bash offers after these words, of which the last one is being written. */
async function offered(...words: string[]): Promise<string[]> {
  const script = `${completionScript('bash', shapes)}
COMP_WORDS=(soulcaster-backup ${words.map((word) => `'${word}'`).join(' ')})
COMP_CWORD=${words.length}
_soulcaster_backup
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await run('bash', ['--norc', '-c', script]);
  return stdout.split('\n').filter((line) => line !== '');
}

describe('completion', () => {
  it('offers commands, options and fixed values in bash', async () => {
    expect(await offered('')).toEqual(
      expect.arrayContaining(['ls', 'find', 'cat', 'diff', 'restore', 'snapshots', '--env-file']),
    );
    expect(await offered('snap')).toEqual(['snapshots']);
    expect(await offered('snapshots', 'p')).toEqual(['pin']);
    expect(await offered('snapshots', 'pin', 'latest', '--r')).toEqual(['--reason', '--replica']);
    expect(await offered('restore', '--mode', '')).toEqual(['replace', 'merge', 'missing']);
    expect(await offered('--json', 'restore', 'latest', '--dry')).toEqual(['--dry-run']);
    expect(await offered('completion', '')).toEqual(expect.arrayContaining(['bash', 'zsh', 'fish']));
    expect(await offered('show', 'latest', '--env-file', 'package.j')).toEqual(['package.json']);
    expect(await offered('ls', '--project', '')).toEqual([]);
    expect(await offered('demo')).toEqual([]);
  });

  it('covers every command of the help, in every shell and in the manual', () => {
    const names = shapes.slice(1).map(({ path }) => path.at(-1) ?? '');
    expect(names.length).toBeGreaterThan(25);
    for (const shell of ['bash', 'zsh', 'fish'] as const) {
      const script = completionScript(shell, shapes);
      for (const name of names) expect(script).toContain(name);
    }
    const fish = completionScript('fish', shapes).trimEnd().split('\n');
    expect(fish.every((line) => /^complete -c soulcaster-backup( -\w( ('[^']*'|[\w-]+))?)+$/.test(line))).toBe(true);
    expect(completionScript('zsh', shapes)).toContain('bashcompinit');
    const page = manPage(shapes, '1.0.0', '0 done.');
    for (const { path } of shapes.slice(1)) expect(page).toContain(`.SS "${path.join(' ').replaceAll('-', '\\-')}`);
    expect(page.split('\n').every((line) => !/^[.'](?!TH|SH|SS|TP|B|I|PP)/.test(line))).toBe(true);
  });
});
