import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { VERSION } from '../../lib/version.js';
import { cli, cliJson, cliProcess } from './fixture.js';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { buildProgram } from '../../lib/cli/program.js';
import { commandShapes, manPage, completionScript } from '../../lib/cli/shell.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cli-usage-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('help', () => {
  it('shows the commands, examples and exit codes, and not the demo', async () => {
    const { code, stdout, stderr } = await cli(['--help']);
    expect([code, stderr]).toEqual([0, '']);
    for (const word of ['backup', 'list', 'show', 'verify', 'doctor', 'dev', 'Examples:', 'Exit codes:'])
      expect(stdout).toContain(word);
    expect(stdout).not.toContain('demo');
  });

  it('shows the options of a command, and the version', async () => {
    const help = await cli(['backup', '--help']);
    expect([help.code, help.stdout]).toEqual([0, expect.stringContaining('--local')]);
    expect(await cli(['--version'])).toEqual({ code: 0, stdout: VERSION, stderr: '' });
  });
});

describe('wrong usage', () => {
  it.each([
    [['list', '--frobnicate'], /unknown option '--frobnicate'/],
    [['bakcup'], /unknown command 'bakcup'.*Did you mean backup/],
    [['show'], /missing required argument 'id'/],
    [['list', 'surplus'], /too many arguments/],
    [['list', '--limit', 'many'], /whole number/],
    [['list', '--limit', '0'], /whole number/],
    [['run', '--before', 'yesterday'], /id of a run, or a time/],
    [['init', '--object-lock', '30'], /--object-lock can only be used with --store/],
    [['init', '--no-versioning', '--acl'], /--versioning can only be used with --store/],
    [['init', '--acl', '--store'], /--acl and --store cannot be combined/],
    [['run', '--watch'], /--watch needs the id/],
    [['run', '20260101T000000Z-aaaaaa', '--state', 'failed'], /--state cannot be used with the id/],
    [['dev', '--port', '70000'], /port number/],
    [
      ['doctor', '--deployment', 'https://b.example.com', '--offline'],
      /'--offline' cannot be used with option '--deployment/,
    ],
    [['list', '--env-file'], /argument missing/],
    [[], /No command/],
  ])('%j ends with 2, one line and a hint', async (args, message) => {
    const { code, stdout, stderr } = await cli(args);
    expect([code, stdout]).toEqual([2, '']);
    const lines = stderr.split('\n').slice(-2);
    expect(lines[0]).toMatch(/^error: /);
    expect(lines[0]).toMatch(message);
    expect(lines[1]).toMatch(/^hint: /);
  });

  it('is also printed as a document with --json', async () => {
    const { code, json, stderr } = await cliJson(['list', '--frobnicate'], {});
    expect([code, json.error?.code]).toEqual([2, 'usage']);
    expect(stderr).toContain('--frobnicate');
  });
});

describe('configuration', () => {
  it('names all variables that are missing at once', async () => {
    const { code, json } = await cliJson(['backup'], {
      QSTASH_TOKEN: 'a-token',
      BACKUP_STORE: 's3://bucket/prefix',
      // Without any key the AWS SDK's own chain is used.
      S3_ACCESS_KEY_ID: 'AKIAEXAMPLE',
    });
    expect([code, json.error?.code]).toEqual([2, 'config']);
    for (const name of ['UPSTASH_REDIS_REST_URL', 'UPSTASH_REDIS_REST_TOKEN', 'S3_REGION', 'S3_SECRET_ACCESS_KEY'])
      expect(json.error?.message).toContain(`${name} is missing`);
    for (const name of ['QSTASH_CURRENT_SIGNING_KEY', 'PUBLIC_URL']) expect(json.error?.message).toContain(name);
  });

  it('requires only the variables that the command needs', async () => {
    const { code, json } = await cliJson(['list'], {});
    expect(code).toBe(2);
    expect(json.error?.message).toBe('The configuration is not complete: BACKUP_STORE is missing');
  });

  it('comes from the file given, before or after the command', async () => {
    const file = join(folder, 'env');
    await writeFile(file, `BACKUP_STORE="file://${folder}/store"\n`);
    for (const args of [
      ['--env-file', file, 'list'],
      ['list', '--env-file', file],
    ]) {
      const { code, stdout } = await cli(args);
      expect([code, stdout]).toEqual([0, expect.stringContaining('There is no snapshot in')]);
    }
  });

  it('is not read from elsewhere when the file does not exist', async () => {
    const { code, json } = await cliJson(['list', '--env-file', join(folder, 'none')], {
      BACKUP_STORE: 'file:///tmp/x',
    });
    expect([code, json.error?.code, json.error?.message]).toEqual([2, 'config', expect.stringContaining('--env-file')]);
  });
});

describe('a defect', () => {
  // No folder for temporary files is an error that nobody foresees, and so stands for all of them.
  const env = { TMPDIR: '/nonexistent' };

  it('shows no stack trace, and ends with 1', async () => {
    const { code, stderr } = await cliProcess(['demo'], env);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: Unexpected/m);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('shows the stack trace with DEBUG=1', async () => {
    const { code, stderr } = await cliProcess(['demo'], { ...env, DEBUG: '1' });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^\s+at /m)]);
    expect(stderr).toContain('ENOENT');
  });
});

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
