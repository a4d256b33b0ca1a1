import type { Page } from 'playwright-core';
import type {
  ProjectList,
  RunPage,
  RunSummary,
  RunView,
  SnapshotDetail,
  SnapshotList,
  Status,
} from '../../page/api/types.js';
import { RUN_KINDS } from '../../lib/run-kinds.js';
import { PLAN, NOW, projectList, snapshotList } from './fixtures.js';
import { RUNNING, runView, status } from './fixtures-status.js';

/** What the API is made to answer, by call; a number is a status without a document. */
export interface Answers {
  status?: Status | number;
  snapshots?: SnapshotList | number;
  projects?: ProjectList | number;
  /** More runs than the status has. */
  runs?: readonly RunView[];
}

export const TOKEN = 'fixture-admin-token';

/** Answers the page's calls with fixtures: for how things look, and for what a real stack does not do when told. */
export async function answerWith(page: Page, answers: Answers = {}): Promise<void> {
  await page.route('**/api/**', async (route) => {
    const request = route.request();
    const url = new URL(request.url());
    const isOperator = request.headers()['authorization'] !== undefined;
    const found = isOperator ? documentOf(url, answers) : publicOf(answers);
    if (typeof found === 'number') {
      await route.fulfill({ status: found, contentType: 'text/plain', body: 'An error occurred' });
      return;
    }
    const degraded = url.pathname === '/api/status' && 'state' in found && found.state === 'degraded';
    await route.fulfill({ status: degraded ? 503 : 200, json: found });
  });
}

function publicOf({ status: known = status() }: Answers): object | number {
  return typeof known === 'number' ? known : { state: known.state, at: known.at, label: known.deployment.label };
}

function documentOf(url: URL, answers: Answers): object | number {
  if (url.pathname === '/api/snapshots') return answers.snapshots ?? snapshotList();
  if (url.searchParams.get('view') === 'projects') return answers.projects ?? projectList();
  const known = answers.status ?? status();
  if (url.pathname === '/api/status') return known;
  const runs: readonly RunSummary[] = [...(answers.runs ?? []), ...(typeof known === 'number' ? [] : known.runs)];
  if (url.pathname === '/api/runs') return pageOf(fitting(runs, url.searchParams), url.searchParams);
  if (url.pathname.startsWith('/api/runs/')) {
    const run = runs.find(({ runId }) => url.pathname.endsWith(runId));
    return run === undefined ? 404 : 'steps' in run ? run : runView(run);
  }
  if (url.pathname.endsWith('/keys')) return keysOf();
  if (url.pathname.endsWith('/keys/value')) return valueOf(url.searchParams.get('key') ?? '');
  if (url.pathname.endsWith('/diff')) return DIFF;
  return snapshotOf(url, answers);
}

/** As the API gives them: newest first, `next` for the page that follows. */
function pageOf(runs: readonly RunSummary[], params: URLSearchParams): RunPage {
  const before = params.get('before');
  const rest = before === null ? runs : runs.filter(({ runId }) => runId < before);
  const page = rest.slice(0, Number(params.get('limit') ?? 50));
  return { runs: page, next: page.length < rest.length ? (page.at(-1)?.runId ?? null) : null, kinds: RUN_KINDS };
}

function fitting(runs: readonly RunSummary[], params: URLSearchParams): readonly RunSummary[] {
  const fits = (name: string, value: string): boolean => (params.get(name) ?? value) === value;
  return runs.filter(({ kind, state }) => fits('kind', kind) && fits('state', state));
}

function snapshotOf(url: URL, { snapshots = snapshotList() }: Answers): SnapshotDetail | number {
  const id = decodeURIComponent(url.pathname.split('/').at(-1) ?? '');
  const found = typeof snapshots === 'number' ? undefined : snapshots.snapshots.find((one) => one.id === id);
  if (found === undefined) return 404;
  const keys = found.keys ?? 0;
  return {
    ...found,
    counts: {
      keys,
      byType: { hash: keys - 400, zset: 400 },
      byFamily: { feedback: keys - 500, cluster: 400, project: 100 },
      byProject: Object.fromEntries(projectList().projects.map(({ project }, at) => [project, 5000 - at * 900])),
    },
    doubts: [],
    previous: null,
    pinned: null,
  };
}

function keysOf(): object {
  const keys = ['feedback:cm3k8x2p40001l508acme:1f0c', 'cluster:cm3k8x2p40001l508acme:7'].map((key, at) => {
    const family = key.split(':')[0];
    return {
      key,
      type: 'hash',
      family,
      project: 'cm3k8x2p40001l508acme',
      expiresAt: null,
      elements: 9 + at,
      bytes: 812,
    };
  });
  return { keys, next: '0.2' };
}

function valueOf(key: string): object {
  const lines = [
    {
      k: key,
      t: 'hash',
      v: [
        ['title', 'The export is slow'],
        ['source', 'github'],
      ],
    },
  ];
  return { key, type: 'hash', family: 'feedback', project: null, expiresAt: null, lines, more: false };
}

const DIFF = {
  from: 'a',
  to: 'live',
  partial: [],
  counts: [
    { project: 'cm3k8x2p40001l508acme', family: 'feedback', added: 3, removed: 60, expired: 0, changed: 4, same: 2343 },
  ],
  changes: [{ change: 'removed', key: 'feedback:cm3k8x2p40001l508acme:1f0c', what: [], family: 'feedback' }],
  more: false,
};

/** Opens the page at the fixtures' moment, and signs in. */
export async function openSignedIn(page: Page, url: string, answers: Answers = {}): Promise<void> {
  await answerWith(page, answers);
  await page.clock.setFixedTime(NOW);
  await page.goto(url);
  await signIn(page, TOKEN);
}

export async function signIn(page: Page, token: string): Promise<void> {
  await page.getByLabel('Admin token').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** Answers restores: the first as a dry run with a plan, those after it as done. Returns the bodies as they come in. */
export async function answerRestores(page: Page): Promise<Record<string, unknown>[]> {
  const orders: Record<string, unknown>[] = [];
  await page.route('**/api/restore', async (route) => {
    const order = route.request().postDataJSON() as Record<string, unknown>;
    orders.push(order);
    const over = restored(`restore-${orders.length}`, order);
    await page.route(`**/api/runs/${over.runId}`, (call) => call.fulfill({ json: over }));
    await route.fulfill({ status: 202, json: over });
  });
  return orders;
}

export function restored(runId: string, order: object): RunView {
  const isDry = 'dryRun' in order && order.dryRun === true;
  const project = 'cm3k8x2p40001l508acme';
  const input = { mode: 'replace', snapshot: '', ...order };
  const done = {
    plan: PLAN,
    proof: { total: { equal: 376, expired: 0, kept: 0, blocked: 0, missing: 0, different: 0 } },
    written: { written: 64 },
    removed: 1,
    undo: '20261124T031000Z-s4f3ty',
    projects: [{ project, feedback: 2410, clusters: 96, loads: true, violations: [], backend: 'agrees' }],
    vectors: { state: 'skipped', run: null },
    milliseconds: 42_000,
  };
  return runView(
    { ...RUNNING, runId, state: 'succeeded', input, finishedAt: new Date(NOW).toISOString() },
    { result: (isDry ? { plan: PLAN } : done) as RunView['result'] },
  );
}
