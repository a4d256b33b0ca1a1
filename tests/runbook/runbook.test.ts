import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { execa } from 'execa';
import { INCIDENTS } from '../../dev/incidents/index.js';
import { parseEnvFile } from '../../lib/app/config/env-file.js';
import { cliJson, ended, ROOT, spawnCli, until } from '../cli/fixture.js';

jest.setTimeout(600_000);

const BINARY = join(ROOT, 'bin/soulcaster-backup.js');
const COMMAND = 'npx soulcaster-backup';

/** The last leaves the stack on the standby, whose keys the others do not change. */
const LAST = ['secrets-leaked', 'region-lost'];
const NAMES = [...INCIDENTS.map(({ name }) => name).filter((name) => !LAST.includes(name)), ...LAST];

const runbook = await readFile(join(ROOT, 'docs/operations.md'), 'utf8');

/** The lines of a section that are meant for a shell. */
function linesOf(section: string): string[] {
  const [, text = ''] = runbook.split(`\n### ${section}\n`);
  const [body = ''] = text.split(/\n##+ /);
  return [...body.matchAll(/```sh\n([\s\S]*?)```/g)]
    .flatMap(([, block = '']) => block.split('\n'))
    .filter((line) => line.trim() !== '');
}

/** What a line says of its exit code; 0 when it says nothing. */
function codesOf(line: string): string[] {
  const [, first, second] = /# exit code (\d+)(?: or (\d+))?/.exec(line) ?? [];
  return [first ?? '0', ...(second === undefined ? [] : [second])];
}

interface Told {
  readonly section: string;
  readonly variables: Readonly<Record<string, string>>;
}

describe('the runbook', () => {
  let folder: string;
  let stack: ReturnType<typeof spawnCli>;
  const operator = (): string => join(folder, '.local/rehearsal');
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'runbook-'));
    // With an incident from the start, the embedder is the one that costs nothing.
    stack = spawnCli(['dev', '--s3', '--json', '--incident', NAMES[0] ?? ''], {}, folder);
    let out = '';
    stack.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    stack.stderr.resume();
    await until(stack, () => out.endsWith('}\n'));
  });
  afterAll(async () => {
    stack.kill('SIGINT');
    await stack;
    await rm(folder, { recursive: true, force: true });
  });

  const dev = async (...args: string[]) => {
    const child = spawnCli(['dev', '--json', ...args], {}, folder);
    const { code, stderr, stdout } = await ended(child, {});
    return { code, json: JSON.parse(stdout === '' ? '{}' : stdout) as Told & { state: string }, stderr };
  };

  /** Runs a section's lines in one shell, as somebody who pastes them; gives the commands' exit codes and what was printed. */
  async function paste(lines: readonly string[], variables: Readonly<Record<string, string>>) {
    const codes = join(folder, 'codes');
    await writeFile(codes, '');
    const prelude = [
      `npx() { shift; '${process.execPath}' '${BINARY}' "$@"; local code=$?; echo "$code" >> '${codes}'; return $code; }`,
      `others() { (cd '${folder}' && '${process.execPath}' '${BINARY}' dev --mend); }`,
    ];
    const script = lines.map((line) => (line.startsWith('# wait') ? 'others' : line));
    const { all } = await execa('bash', ['-c', [...prelude, ...script].join('\n')], {
      cwd: operator(),
      env: { PATH: process.env['PATH'] ?? '', ...variables },
      extendEnv: false,
      reject: false,
      all: true,
      input: '',
    });
    return { codes: (await readFile(codes, 'utf8')).split('\n').filter((code) => code !== ''), printed: all };
  }

  it('has a section for every incident, with commands', () => {
    for (const { section } of INCIDENTS) expect([section, linesOf(section).length > 0]).toEqual([section, true]);
  });

  it.each(NAMES)('ends %s with the commands that it prints, and all is well', async (name) => {
    const before = parseEnvFile(await readFile(join(operator(), '.env')));
    const snapshots = await trusted();
    const begun = await dev('--incident', name);
    expect([begun.code, begun.stderr]).toEqual([0, '']);
    const lines = linesOf(begun.json.section);
    const commands = lines.filter((line) => line.includes(COMMAND));
    const { codes, printed } = await paste(lines, begun.json.variables);
    const walked = commands.map(
      (line, at) => `${codesOf(line).includes(codes[at] ?? '') ? codesOf(line)[0] : codes[at]} ${line}`,
    );
    const promised = commands.map((line) => `${codesOf(line)[0] ?? ''} ${line}`);
    // What was printed says why, where a code is another than the runbook's.
    if (walked.join() !== promised.join()) process.stderr.write(`${printed}\n`);
    expect(walked).toEqual(promised);
    const { code, json } = await dev('--mend');
    expect([code, json.state]).toEqual([0, 'ok']);
    if (name !== 'secrets-leaked') return;
    const after = parseEnvFile(await readFile(join(operator(), '.env')));
    const same = SECRETS.filter((variable) => before[variable] === after[variable]);
    // The rehearsal does not encrypt: to replace what has leaked does not turn encryption on.
    expect([before['BACKUP_AGE_RECIPIENTS'], same]).toEqual([undefined, ['BACKUP_AGE_RECIPIENTS']]);
    // What was trusted stays so, and can be restored.
    const listed = await trusted();
    expect(listed).toEqual(expect.arrayContaining(snapshots));
    for (const id of [listed[0] ?? '', snapshots.at(-1) ?? '']) {
      const file = ['--env-file', join(operator(), '.env')];
      expect((await cliJson(['verify', id, '--local', ...file], {})).json).toMatchObject({ verified: true });
      expect((await cliJson(['restore', id, '--dry-run', '--local', ...file], {})).code).toBe(0);
    }
  });

  async function trusted(): Promise<string[]> {
    const { json } = await cliJson(['list', '--limit', '200', '--env-file', join(operator(), '.env')], {});
    const listed = json['snapshots'] as { id: string; trust: string }[];
    return listed.filter(({ trust }) => trust === 'trusted').map(({ id }) => id);
  }
});

/** What is replaced when everything has leaked. */
const SECRETS = [
  'CRON_SECRET',
  'ADMIN_TOKEN',
  'RESTORE_WEBHOOK_SECRET',
  'BACKUP_SIGNING_KEY',
  'BACKUP_AGE_RECIPIENTS',
  'UPSTASH_REDIS_REST_TOKEN',
  'QSTASH_TOKEN',
  'QSTASH_CURRENT_SIGNING_KEY',
  'QSTASH_NEXT_SIGNING_KEY',
  'UPSTASH_VECTOR_REST_TOKEN',
  'GEMINI_API_KEY',
  'VERCEL_API_TOKEN',
  'GITHUB_TOKEN',
  'S3_ACCESS_KEY_ID',
  'S3_SECRET_ACCESS_KEY',
  'ALERT_WEBHOOK_URL',
  'HEARTBEAT_URL',
];
