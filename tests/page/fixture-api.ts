import type { Page } from 'playwright-core';
import type { ProjectList, RunSummary, SnapshotList, Status } from '../../page/api/types.js';
import { RUNNING, status } from './fixtures-status.js';
import { NOW, projectList, snapshotList } from './fixtures.js';

/** What the API is made to answer, by call; a number is a status without a document. */
export interface Answers {
  status?: Status | number;
  snapshots?: SnapshotList | number;
  projects?: ProjectList | number;
}

export const TOKEN = 'fixture-admin-token';

/** Answers the page's calls with fixtures: for how things look, and for what a real stack does not do when told. */
export async function answerWith(page: Page, answers: Answers = {}): Promise<void> {
  await page.route('**/api/**', async (route) => {
    const url = new URL(route.request().url());
    const found = documentOf(url, answers);
    if (typeof found === 'number') {
      await route.fulfill({ status: found, contentType: 'text/plain', body: 'An error occurred' });
      return;
    }
    const degraded = url.pathname === '/api/status' && (found as Status).state === 'degraded';
    await route.fulfill({ status: degraded ? 503 : 200, json: found });
  });
}

function documentOf(url: URL, answers: Answers): object | number {
  if (url.pathname === '/api/snapshots') return answers.snapshots ?? snapshotList();
  if (url.searchParams.get('view') === 'projects') return answers.projects ?? projectList();
  const known = answers.status ?? status();
  if (url.pathname === '/api/status') return known;
  const runs: readonly RunSummary[] = typeof known === 'number' ? [] : known.runs;
  return { legs: 1, input: null, result: null, ...runs.find(({ runId }) => url.pathname.endsWith(runId)) };
}

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
export async function answerRestores(page: Page): Promise<string[]> {
  const orders: string[] = [];
  const tally = { write: 2410, overwrite: 1, unite: 0, same: 318, keep: 0, expired: 2, remove: 4 };
  const byFamily = {
    feedback: tally,
    cluster: { ...tally, write: 96, remove: 0 },
    'feedback-created': { ...tally, write: 0 },
  };
  const examples = [{ action: 'remove', key: 'feedback:cm3k8x2p40001l508acme:1f0c' }];
  const plan = { total: tally, byFamily, examples, usersJoined: 1 };
  await page.route('**/api/restore', async (route) => {
    orders.push(route.request().postData() ?? '');
    const proof = orders.length === 1 ? {} : { proof: { total: {} } };
    const over = { ...RUNNING, runId: `restore-${orders.length}`, state: 'succeeded', result: { plan, ...proof } };
    await page.route(`**/api/runs/${over.runId}`, (call) => call.fulfill({ json: over }));
    await route.fulfill({ status: 202, json: over });
  });
  return orders;
}
