import { afterEach, describe, expect, it } from '@jest/globals';
import { AppError } from '../../lib/errors.js';
import { ALL_NEW, ALL_OLD, NEW, OLD, rotationBench, stateOf, type RotationBench } from './rotation-bench.js';

let bench: RotationBench;
afterEach(() => bench.stop());

const writes = (): number => bench.vercel.calls.filter(({ method }) => method !== 'GET').length;
const failing = (code: 'github-denied' | 'github-unavailable', after: number) => {
  let left = after;
  return () =>
    left-- > 0 ? Promise.resolve('ok') : Promise.reject(new AppError(code, 'It does not work', { hint: 'Hint.' }));
};

describe('a rotation', () => {
  it('sets the value in every project, rebuilds each and waits for it', async () => {
    bench = await rotationBench({ build: () => ({ buildingReads: 3 }) });
    bench.health = () => true;
    const result = await bench.run();
    expect(result).toMatchObject({
      outcome: 'done',
      resumed: false,
      proof: 'it works',
      backend: 'healthy',
      counts: { variables: 2, changed: 2, redeployed: 2 },
      error: null,
    });
    expect(stateOf(bench)).toEqual(ALL_NEW);
    expect(bench.vercel.served('backend')).toMatchObject({ OTHER: 'stays' });
    expect(await bench.journals()).toMatchObject([{ id: result.id, state: 'done' }]);
  });

  it('changes nothing in a dry run, and reports what it would do', async () => {
    bench = await rotationBench({
      projects: { backend: { KEY: OLD }, dashboard: { KEY: NEW } },
    });
    const result = await bench.run(
      { changes: [...both('KEY'), { project: 'backend', variable: 'MORE', value: NEW }] },
      { dryRun: true },
    );
    expect(result).toMatchObject({
      id: null,
      outcome: 'planned',
      variables: [
        { project: 'backend', variable: 'KEY', action: 'set', has: 'old', wayBack: true },
        { project: 'backend', variable: 'MORE', action: 'create', has: 'old', wayBack: true },
        { project: 'dashboard', variable: 'KEY', action: 'keep', has: 'new', wayBack: true },
      ],
    });
    expect([writes(), await bench.stored()]).toEqual([0, '']);
  });

  it('does nothing when the new value does not work', async () => {
    bench = await rotationBench();
    await expect(bench.run({ prove: failing('github-denied', 0) })).rejects.toMatchObject({ code: 'github-denied' });
    expect([writes(), await bench.stored(), stateOf(bench)]).toEqual([0, '', ALL_OLD]);
  });

  it('creates a missing variable, and removes it in a rollback', async () => {
    bench = await rotationBench();
    const changes = both('MORE');
    expect(await bench.run({ changes, prove: failing('github-denied', 1) })).toMatchObject({ outcome: 'rolled-back' });
    expect(bench.vercel.valueOf('backend', 'MORE')).toBeUndefined();
    expect(bench.vercel.served('dashboard')['MORE']).toBeUndefined();
    expect(await bench.run({ changes })).toMatchObject({ outcome: 'done' });
    expect(bench.vercel.served('dashboard')['MORE']).toBe(NEW);
  });

  it('may be repeated', async () => {
    bench = await rotationBench();
    await bench.run();
    expect(await bench.run()).toMatchObject({ outcome: 'done', counts: { changed: 0, redeployed: 2 } });
    expect(stateOf(bench)).toEqual(ALL_NEW);
  });

  it('needs a production deployment of each project', async () => {
    bench = await rotationBench();
    bench.vercel.project('dashboard').deployments.length = 0;
    await expect(bench.run()).rejects.toMatchObject({ code: 'hosting-refused' });
    expect(writes()).toBe(0);
  });
});

describe('sensitive variables', () => {
  const open = async (): Promise<void> => {
    bench = await rotationBench({
      projects: { backend: { KEY: { value: OLD, type: 'sensitive' } }, dashboard: { KEY: OLD } },
    });
  };

  it('are not changed if their value is unknown and the operator has not accepted the loss', async () => {
    await open();
    await expect(bench.run()).rejects.toMatchObject({
      code: 'not-confirmed',
      message: expect.stringContaining('KEY of backend'),
    });
    expect([writes(), await bench.stored()]).toEqual([0, '']);
  });

  it('are set with consent; a rollback names those that cannot be restored, and restores the rest', async () => {
    await open();
    const result = await bench.run({ acceptNoWayBack: true, prove: failing('github-denied', 1) });
    expect(result).toMatchObject({
      outcome: 'half-changed',
      variables: [
        { project: 'backend', has: 'new', wayBack: false },
        { project: 'dashboard', has: 'old' },
      ],
    });
    expect(result.error?.message).toContain('KEY of backend has the new value, KEY of dashboard has the old value');
    expect(stateOf(bench)).toEqual({ backend: [NEW, NEW], dashboard: [OLD, OLD] });
  });

  it('are restored if their old value is given', async () => {
    await open();
    const oldValues = [{ variable: 'KEY', value: OLD }];
    expect(await bench.run({ oldValues, prove: failing('github-denied', 1) })).toMatchObject({
      outcome: 'rolled-back',
    });
    expect(stateOf(bench)).toEqual(ALL_OLD);
  });
});

describe('the proof at the end', () => {
  it('rolls back when the value no longer works', async () => {
    bench = await rotationBench();
    const result = await bench.run({ prove: failing('github-denied', 1) });
    expect(result).toMatchObject({ outcome: 'rolled-back', error: { code: 'rolled-back' } });
    expect(stateOf(bench)).toEqual(ALL_OLD);
  });

  it('does not roll back because GitHub does not answer', async () => {
    bench = await rotationBench();
    expect(await bench.run({ prove: failing('github-unavailable', 1) })).toMatchObject({ outcome: 'done' });
  });

  it('rolls back if the backend was healthy before and is not any more', async () => {
    bench = await rotationBench();
    bench.health = () => bench.vercel.served('backend')['KEY'] === OLD;
    expect(await bench.run()).toMatchObject({ outcome: 'rolled-back' });
    expect(stateOf(bench)).toEqual(ALL_OLD);
  });

  it('waits for a backend that needs a while', async () => {
    bench = await rotationBench();
    let looks = 0;
    bench.health = () => ++looks === 1 || looks > 8;
    expect(await bench.run()).toMatchObject({ outcome: 'done', backend: 'healthy' });
  });

  it('keeps the new value if the backend was unhealthy before, and reports it', async () => {
    bench = await rotationBench();
    bench.health = () => null;
    expect(await bench.run()).toMatchObject({ outcome: 'done', backend: 'as-bad-as-before' });
    expect(stateOf(bench)).toEqual(ALL_NEW);
  });
});

describe('deployments', () => {
  it('that fail roll everything back, and those that never served are not built again', async () => {
    bench = await rotationBench({
      build: (project, { KEY }) => ({
        buildingReads: 1,
        ending: project === 'dashboard' && KEY === NEW ? 'ERROR' : 'READY',
      }),
    });
    expect(await bench.run()).toMatchObject({
      outcome: 'rolled-back',
      error: { message: expect.stringContaining('dashboard') },
    });
    expect(stateOf(bench)).toEqual(ALL_OLD);
    expect(bench.vercel.project('dashboard').deployments.map(({ state }) => state)).toEqual(['ERROR', 'READY']);
    expect(bench.vercel.project('backend').deployments).toHaveLength(3);
  });

  it('that never end are cancelled, and the old value serves', async () => {
    bench = await rotationBench({ build: (_, { KEY }) => ({ buildingReads: KEY === NEW ? 10_000 : 1 }) });
    expect(await bench.run()).toMatchObject({ outcome: 'rolled-back' });
    expect(stateOf(bench)).toEqual(ALL_OLD);
    expect(bench.vercel.project('backend').deployments[0]?.state).not.toBe('BUILDING');
  });
});

it('no value is in the log, the store or the result', async () => {
  bench = await rotationBench();
  const done = await bench.run();
  const back = await bench.run({ changes: both('OTHER'), prove: failing('github-denied', 1) });
  const everything = [await bench.stored(), ...bench.logged, JSON.stringify([done, back]), back.error?.message].join(
    '\n',
  );
  expect(everything).toContain('rotation-rolls-back');
  for (const value of [OLD, NEW, 'stays', bench.vercel.token]) expect(everything).not.toContain(value);
});

function both(variable: string): { project: string; variable: string; value: string }[] {
  return ['backend', 'dashboard'].map((project) => ({ project, variable, value: NEW }));
}
