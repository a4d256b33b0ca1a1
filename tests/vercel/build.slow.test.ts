import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execa } from 'execa';

const ROOT = resolve(import.meta.dirname, '../..');
const CLI_FOLDER = join(import.meta.dirname, 'cli');
const CLI = join(CLI_FOLDER, 'node_modules/.bin/vercel');
const PROJECT = { projectId: 'prj_local', orgId: 'team_local', settings: { framework: null, installCommand: 'true' } };

/** The functions that are to be deployed, by path. */
const FUNCTIONS = [
  'api/cron/backup',
  'api/cron/guard',
  'api/operator',
  'api/schedules/guard',
  'api/tasks',
  'api/webhooks/restore',
];

let folder = '';
let output = '';

/** Builds a copy of what git knows, as Vercel does after a push. */
beforeAll(async () => {
  // No lock file: the CLI lists optional packages for other systems that not every registry has.
  const install = ['install', '--no-package-lock', '--no-audit', '--no-fund'];
  if (!existsSync(CLI)) await execa('npm', install, { cwd: CLI_FOLDER });
  folder = await mkdtemp(join(tmpdir(), 'soulcaster-backup-vercel-'));
  output = join(folder, '.vercel/output');
  const { stdout } = await execa('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: ROOT });
  for (const file of stdout.split('\n').filter((name) => !name.startsWith('tests/') && existsSync(join(ROOT, name)))) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await cp(join(ROOT, file), join(folder, file));
  }
  await execa('cp', ['-a', '--reflink=auto', join(ROOT, 'node_modules'), folder]);
  await mkdir(join(folder, '.vercel'));
  await writeFile(join(folder, '.vercel/project.json'), JSON.stringify(PROJECT));
  // The packages are there: to install them once more would also build the project a second time.
  const env = { VERCEL_TELEMETRY_DISABLED: '1', NO_UPDATE_NOTIFIER: '1', VERCEL_INSTALL_COMPLETED: '1' };
  await execa(CLI, ['build', '--yes', '--prod', '--global-config', join(folder, '.global')], { cwd: folder, env });
});

afterAll(async () => {
  if (folder !== '') await rm(folder, { recursive: true, force: true });
});

async function readJson(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(output, path), 'utf8')) as Record<string, unknown>;
}

describe('what Vercel builds of this project', () => {
  it('is every function, each with its time limit and a Node that Vercel offers', async () => {
    const entries = await readdir(join(output, 'functions'), { recursive: true });
    const built = entries.filter((name) => name.endsWith('.func')).map((name) => name.slice(0, -'.func'.length));
    expect(built.sort()).toEqual(FUNCTIONS);
    for (const name of FUNCTIONS) {
      const config = await readJson(`functions/${name}.func/.vc-config.json`);
      expect(config).toMatchObject({
        maxDuration: 300,
        runtime: expect.stringMatching(/^nodejs(22|24)\.x$/) as unknown,
      });
    }
  });

  it.each(FUNCTIONS)('is bundled, with no module and no package beside the bundle: %s', async (name) => {
    const entries = await readdir(join(output, `functions/${name}.func`), { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
    const beside = files
      .map((file) => relative(join(output, `functions/${name}.func`), file))
      .filter((file) => !file.startsWith('dist/bundle/') && !file.startsWith(`${name}.js`));
    expect(beside.sort()).toEqual(['.vc-config.json', 'package.json']);
  });

  it('is the crons', async () => {
    const { crons } = await readJson('config.json');
    expect(crons).toEqual([
      { path: '/api/cron/backup', schedule: '0 2 * * *' },
      { path: '/api/cron/guard', schedule: '0 14 * * *' },
    ]);
  });

  it('hands calls of operators on as they are: a parameter that were added would be refused', async () => {
    const { routes } = (await readJson('config.json')) as { routes: { dest?: string }[] };
    expect(routes.filter(({ dest }) => dest?.includes('operator') === true)).toEqual([
      expect.objectContaining({ dest: '/api/operator' }) as unknown,
    ]);
  });

  it('publishes the page and nothing of the program', async () => {
    const files = await readdir(join(output, 'static'), { recursive: true });
    const icons = ['icon-bad.svg', 'icon-good.svg', 'icon-warn.svg', 'icon.svg'];
    const assets = ['assets', 'assets/page.css', 'assets/page.js', 'assets/runbook.html'];
    expect(files.sort()).toEqual([...assets, ...icons, 'index.html']);
  });

  it.each([
    ['api/cron/backup', 'GET', ['GET'], 401],
    ['api/webhooks/restore', 'POST', ['POST'], 401],
    // Whether the queue has signed a message cannot be told without its keys.
    ['api/tasks', 'POST', ['POST'], 500],
    ['api/schedules/guard', 'POST', ['POST'], 500],
  ])('loads and shuts the door without configuration: %s', async (name, method, methods, status) => {
    const built = join(output, `functions/${name}.func/${name}.js`);
    const call = `
      const handlers = await import(${JSON.stringify(built)});
      const url = 'https://backup.example/${name}';
      const answer = await handlers.${method}(new Request(url, { method: '${method}' }));
      console.log(JSON.stringify({ exports: Object.keys(handlers), status: answer.status }));`;
    const { stdout } = await execa(process.execPath, ['--input-type=module', '--eval', call], {
      env: {},
      extendEnv: false,
    });
    expect(JSON.parse(stdout)).toEqual({ exports: methods, status });
  });
});
