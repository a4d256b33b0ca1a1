import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { vercelRest } from '../../lib/services/vercel/hosting.js';
import type { AppError } from '../../lib/errors.js';
import { startVercelApi, type VercelFault, type VercelStandIn } from '../../dev/vercel-api/index.js';
import { jumpingClock } from '../support/clocks.js';

const SECRET = 'secret-value-of-a-variable';
const clock = jumpingClock();
let standIn: VercelStandIn;

beforeEach(async () => {
  standIn = await startVercelApi({
    team: 'team_acme',
    projects: {
      backend: {
        GITHUB_TOKEN: SECRET,
        HIDDEN: { value: 'hidden-value', type: 'sensitive', target: ['production', 'preview'] },
        PREVIEW: { value: 'other', target: ['preview'] },
      },
    },
  });
});
afterEach(() => standIn.stop());

const connected = (changes: { token?: string; team?: string | null; timeoutMs?: number } = {}) =>
  vercelRest({ url: standIn.url, token: standIn.token, team: 'team_acme', clock, timeoutMs: 30_000, ...changes });

async function failure(work: Promise<unknown>): Promise<AppError> {
  return work.then(
    () => Promise.reject(new Error('it did not fail')),
    (error: unknown) => error as AppError,
  );
}

describe('variables', () => {
  it('lists those of production, and reads what is not sensitive', async () => {
    const { variables } = connected();
    const list = await variables.list('backend');
    expect(list).toEqual([
      {
        id: expect.any(String),
        name: 'GITHUB_TOKEN',
        readable: true,
        environments: ['production'],
        comment: '',
        updatedAt: expect.any(Number),
      },
      {
        id: expect.any(String),
        name: 'HIDDEN',
        readable: false,
        environments: ['production', 'preview'],
        comment: '',
        updatedAt: expect.any(Number),
      },
    ]);
    expect(await variables.read('backend', list[0]?.id ?? '')).toBe(SECRET);
    expect(await variables.read('backend', list[1]?.id ?? '')).toBeNull();
  });

  it('sets, makes and removes them, each also twice', async () => {
    const { variables } = connected();
    const [token] = await variables.list('backend');
    for (let time = 0; time < 2; time++) await variables.write('backend', token?.id ?? '', 'another');
    expect(standIn.valueOf('backend', 'GITHUB_TOKEN')).toBe('another');
    for (let time = 0; time < 2; time++) await variables.create('backend', 'NEW', 'made');
    expect(standIn.project('backend').variables.filter(({ key }) => key === 'NEW')).toHaveLength(1);
    const made = (await variables.list('backend')).find(({ name }) => name === 'NEW');
    for (let time = 0; time < 2; time++) await variables.remove('backend', made?.id ?? '');
    expect(standIn.valueOf('backend', 'NEW')).toBeUndefined();
  });
});

describe('the access of a token', () => {
  it('covers teams, projects, and their production hosts', async () => {
    const { projects } = connected();
    expect(await projects.list()).toEqual([{ id: 'prj_backend', name: 'backend' }]);
    expect(await projects.domains('backend')).toEqual(['backend.vercel.app']);
    // Before a team was chosen.
    expect(await connected({ team: null }).projects.teams()).toEqual([{ id: 'team_acme', name: 'Acme' }]);
    expect(await failure(connected({ token: 'wrong' }).projects.teams())).toMatchObject({ code: 'hosting-denied' });
  });

  it('makes sensitive variables with a comment, which changes with the value', async () => {
    const { variables } = connected();
    await variables.create('backend', 'NEW', 'value', { sensitive: true, comment: 'first' });
    const find = async () => (await variables.list('backend')).find(({ name }) => name === 'NEW');
    expect(await find()).toMatchObject({ readable: false, comment: 'first' });
    await variables.write('backend', (await find())?.id ?? '', 'other', { comment: 'second' });
    expect([standIn.valueOf('backend', 'NEW'), (await find())?.comment]).toEqual(['other', 'second']);
  });
});

describe('deployments', () => {
  it('rebuilds the newest once per marker, with the current variables', async () => {
    const { deployments, variables } = connected();
    const from = await deployments.newest('backend');
    if (from === null) throw new Error('no deployment');
    expect(from).toMatchObject({ name: 'backend', state: 'ready' });
    await variables.create('backend', 'NEW', 'made');
    const begun = await deployments.redeploy('backend', from, 'mark-1');
    expect(await deployments.redeploy('backend', from, 'mark-1')).toMatchObject({ id: begun.id });
    expect(await deployments.findByMarker('backend', 'mark-1')).toMatchObject({ id: begun.id });
    expect(await deployments.findByMarker('backend', 'mark-2')).toBeNull();
    expect(await deployments.state(begun.id)).toBe('building');
    expect(await deployments.state(begun.id)).toBe('ready');
    expect(standIn.served('backend')).toMatchObject({ NEW: 'made' });
  });

  it('finds the deployment whose answer was lost, and starts no other', async () => {
    const { deployments } = connected();
    const from = await deployments.newest('backend');
    if (from === null) throw new Error('no deployment');
    let lose = true;
    standIn.set({
      fault: ({ method }) => {
        if (method !== 'POST' || !lose) return null;
        lose = false;
        return 'lose-reply';
      },
    });
    const begun = await deployments.redeploy('backend', from, 'mark');
    expect(standIn.project('backend').deployments).toHaveLength(2);
    expect(standIn.project('backend').deployments[0]?.id).toBe(begun.id);
  });

  it('cancels one that is being built, and reports failed ones', async () => {
    const { deployments } = connected();
    const from = await deployments.newest('backend');
    if (from === null) throw new Error('no deployment');
    standIn.set({ build: () => ({ buildingReads: 9 }) });
    const begun = await deployments.redeploy('backend', from, 'mark');
    await deployments.cancel(begun.id);
    expect(await deployments.state(begun.id)).toBe('failed');
    expect(await failure(deployments.cancel(begun.id))).toMatchObject({ code: 'hosting-refused' });
    standIn.set({ build: () => ({ buildingReads: 0, ending: 'ERROR' }) });
    expect((await deployments.redeploy('backend', from, 'mark-2')).state).toBe('failed');
  });
});

describe('failures', () => {
  it.each<[VercelFault, string, boolean]>([
    ['limit', 'hosting-limit', true],
    ['limit-by-day', 'hosting-limit', true],
    ['cut', 'hosting-unavailable', true],
    ['hang', 'hosting-unavailable', true],
    ['not-json', 'hosting-unavailable', false],
    [400, 'hosting-refused', false],
    [401, 'hosting-denied', false],
    [402, 'hosting-refused', false],
    [403, 'hosting-denied', false],
    [404, 'hosting-refused', false],
    [409, 'hosting-refused', false],
    [500, 'hosting-unavailable', true],
    [503, 'hosting-unavailable', true],
  ])('%s is %s', async (fault, code, transient) => {
    standIn.set({ fault: () => fault });
    const { deployments, variables } = connected({ timeoutMs: fault === 'hang' ? 300 : 30_000 });
    for (const work of [variables.list('backend'), deployments.newest('backend')]) {
      const error = await failure(work);
      expect({ code: error.code, transient: error.transient }).toEqual({ code, transient });
    }
  });

  it('a wrong token, a wrong team and an unknown project each say so', async () => {
    expect(await failure(connected({ token: 'wrong' }).variables.list('backend'))).toMatchObject({
      code: 'hosting-denied',
    });
    expect(await failure(connected({ team: null }).variables.list('backend'))).toMatchObject({
      code: 'hosting-denied',
    });
    expect(await failure(connected().variables.list('nobody'))).toMatchObject({ code: 'hosting-refused' });
    expect(await failure(connected().variables.list('..'))).toMatchObject({ code: 'hosting-refused' });
  });

  it('never quotes a value or the token', async () => {
    standIn.set({ fault: () => 400 });
    const error = await failure(connected().variables.write('backend', 'env_1', SECRET));
    expect(JSON.stringify([error.message, error.hint, String(error.cause)])).not.toContain(SECRET);
    expect(JSON.stringify([error.message, error.hint, String(error.cause)])).not.toContain(standIn.token);
  });
});
