import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import { cli, cliJson, openStack, ROOT, type CliStack, type Variables } from './fixture.js';
import { anyProject, redis, rowOf, stateOf, taken } from './restore-fixture.js';

let stack: CliStack;
let env: Variables;
let url: string;
let project: string;
let id: string;
let keys: string[];
beforeAll(async () => {
  stack = await openStack();
  env = await stack.alone();
  url = stack.urls.redis;
  project = await anyProject(url);
  await redis(url, 'HSET', 'feedback:p:odd', 'title', 'a\nb\u001b[31m', 'body', 'Zebra crossing is broken');
  await redis(url, 'SET', 'odd\nname', 'x');
  await redis(url, 'XADD', 'events', '5-1', 'kind', 'created');
  await redis(url, 'XGROUP', 'CREATE', 'events', 'readers', '0');
  await redis(url, 'XREADGROUP', 'GROUP', 'readers', 'one', 'STREAMS', 'events', '>');
  // More than a pipe holds.
  await redis(url, 'SET', 'large', 'x'.repeat(300_000));
  keys = [...(await stateOf(url)).keys()].sort();
  id = await taken(env);
});
afterAll(() => stack.stop());

const jsonLines = (text: string): Record<string, unknown>[] =>
  text.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);

describe('reading a snapshot', () => {
  it('ls lists all or the selected keys, one per line', async () => {
    const plain = await cli(['ls', id.slice(0, 15)], env);
    expect([
      plain.code,
      plain.stdout
        .split('\n')
        .filter((key) => !key.startsWith('cluster:lock:'))
        .sort(),
    ]).toEqual([0, keys.map((key) => key.replace('\n', '\\n')).sort()]);
    const json = jsonLines(
      (await cli(['ls', 'latest', '--project', project, '--family', 'job', '--json'], env)).stdout,
    );
    const last = json.pop();
    expect(last).toEqual({ snapshot: id, keys: json.length });
    expect(json.length).toBeGreaterThan(0);
    expect(json.every(({ family, type }) => family === 'job' && type === 'hash')).toBe(true);
    const long = await cli(['ls', id, '-l', '--match', 'feedback:p:*'], env);
    expect(long.stdout).toMatch(/^hash +2 +\d+ B +- +feedback +p +feedback:p:odd$/);
    const refused = await cliJson(['ls', id, '--family', 'feedbacks'], env);
    expect([refused.code, refused.json.error?.message]).toEqual([2, 'There is no family "feedbacks"']);
  });

  it('cat shows one key, one field, or its bytes', async () => {
    const readable = await cli(['cat', id, 'feedback:p:odd'], env);
    expect(readable.stdout).toContain('title: a\\nb\\u001b[31m');
    const field = await cli(['cat', 'latest', 'feedback:p:odd', '--field', 'title', '--raw'], env);
    expect(field.stdout).toBe('a\nb\u001b[31m');
    const [line] = jsonLines((await cli(['cat', 'latest', 'feedback:p:odd', '--json'], env)).stdout);
    expect(line).toMatchObject({ snapshot: id, k: 'feedback:p:odd', t: 'hash' });
    const stream = await cli(['cat', 'latest', 'events'], env);
    expect(stream.stdout.split('\n').slice(-3)).toEqual([
      '5-1  kind created',
      'last id: 5-1',
      'group readers: delivered up to 5-1, 1 consumer, 1 pending',
    ]);
    const missing = await cliJson(['cat', id, 'nobody'], env);
    expect([missing.code, missing.json.error?.hint]).toEqual([10, expect.stringContaining('find --key nobody --all')]);
    const collection = await cliJson(['cat', id, 'feedback:p:odd', '--raw'], env);
    expect([collection.code, collection.json.error?.code]).toEqual([2, 'usage']);
  });

  it('find finds by text and by key; with --all, shows when a key disappeared', async () => {
    const { code, stdout } = await cli(['find', 'zebra CROSSING'], env);
    expect([code, stdout]).toEqual([0, expect.stringContaining('feedback:p:odd')]);
    await redis(url, 'DEL', 'feedback:p:odd');
    const later = await taken(env);
    const gone = await cliJson(['find', '--key', 'feedback:p:odd', '--all'], env);
    expect(gone.json).toMatchObject({
      keys: [{ key: 'feedback:p:odd', firstIn: id, lastIn: id, goneSince: { id: later } }],
      searched: [
        { id, keys: 1 },
        { id: later, keys: 0 },
      ],
    });
    expect((await cli(['find', 'zebra'], env)).code).toBe(10);
    expect((await cliJson(['find'], env)).json.error?.code).toBe('usage');
  });

  it('diff counts, names and shows what has changed', async () => {
    await redis(url, 'HSET', `project:${project}`, 'name', 'another');
    await redis(url, 'SET', 'stray:key', 'newer');
    const before = await stateOf(url);
    const counts = await cli(['diff', 'latest', 'live'], env);
    expect(rowOf(counts.stdout, project)).toEqual(['project', '0', '1', '0', '0', '0']);
    expect(rowOf(counts.stdout, '-')).toEqual(['other', '1', '0', '0', '0', '3']);
    const one = jsonLines(
      (await cli(['diff', 'latest', 'live', '--project', project, '--values', '--json'], env)).stdout,
    );
    expect(one).toMatchObject([
      { change: 'changed', key: `project:${project}`, fields: [{ field: 'name', after: 'another' }] },
      { to: 'live', selection: { projects: [project] } },
    ]);
    const named = await cli(['diff', id, 'latest', '--keys'], env);
    expect(named.stdout).toContain('- feedback:p:odd');
    expect(await stateOf(url)).toEqual(before);
    const same = await cli(['diff', 'latest', 'newest'], env);
    expect(same.stdout).toContain('hold the same (everything)');
    for (const word of [
      ['--project', 'mistyped'],
      ['--key', 'mistyped'],
    ])
      expect((await cliJson(['diff', id, 'live', ...word], env)).json.error?.code).toBe('not-found');
  });

  it('says which part of the database a restore of a project saved', async () => {
    const { json } = await cliJson(
      ['restore', 'latest', '--project', project, '--yes', '--local', '--no-reindex'],
      env,
    );
    const saved = String(json['undo']);
    const part = `keys of project ${project} and keys that name no project`;
    const none = await cli(['ls', saved, '--project', 'p'], env);
    expect([none.code, none.stdout]).toEqual([0, '']);
    expect(none.stderr).toContain(`${saved} holds a part of a database: ${part}`);
    const diff = await cli(['diff', saved, 'live'], env);
    expect(diff.stdout).toContain(`${saved} holds ${part}`);
    expect(rowOf(diff.stdout, 'p')).toEqual([]);
  });
});

describe('a closed standard output', () => {
  const shell = (script: string) =>
    execa('bash', ['-c', script, join(ROOT, 'bin/soulcaster-backup.js')], {
      env: { PATH: process.env['PATH'] ?? '', ...env },
      extendEnv: false,
      reject: false,
    });

  it.each([
    'ls latest',
    'ls latest --json',
    'cat latest large',
    'diff latest live',
    'snapshots list',
    'export latest -',
  ])('is told, with its reason: %s', async (command) => {
    const { exitCode, stderr } = await shell(`"$0" ${command} >/dev/full`);
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringContaining('error: The standard output cannot be written (ENOSPC)'),
    ]);
  });

  it('is no error for commands that print, but an error for an export', async () => {
    const listed = await shell('"$0" ls latest --long | head -n 1; echo "${PIPESTATUS[0]}"');
    expect(listed.stdout).toMatch(/\n0$/);
    const exported = await shell('"$0" export latest - | head -c 1; echo " ${PIPESTATUS[0]}"');
    expect([exported.stdout, exported.stderr]).toEqual([
      '{ 1',
      expect.stringContaining('error: The reader of the standard output ended before the export did'),
    ]);
  });
});
