import { describe, expect, it } from '@jest/globals';
import type { RotatePorts } from '../../lib/rotation/rotate.js';
import { ALL_NEW, ALL_OLD, NEW, OLD, rotationBench, stateOf, type RotationBench } from './rotation-bench.js';
import { STRIDE } from '../support/fast-check.js';

/** Longer than a dead process keeps its lease. */
const LEASE_MS = 125_000;
const MOST_WRITES = 60;

interface Mortal {
  readonly ports: RotatePorts;
  /** Resolves when the process dies. */
  readonly death: Promise<'dead'>;
}

/** Ports of a process that dies at its n-th change of anything: before it, or after it and before the answer. */
function mortal({ ports }: RotationBench, at: number, when: 'before' | 'after'): Mortal {
  let changes = 0;
  let die: (word: 'dead') => void;
  const death = new Promise<'dead'>((resolve) => (die = resolve));
  const never = new Promise<never>(() => undefined);
  const change =
    <A extends unknown[], R>(work: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      const fatal = ++changes === at;
      if (fatal && when === 'after') await work(...args);
      if (!fatal) return work(...args);
      die('dead');
      return never;
    };
  const { deployments, store, variables } = ports;
  return {
    death,
    ports: {
      ...ports,
      store: {
        ...store,
        create: change((...args) => store.create(...args)),
        swap: change((...args) => store.swap(...args)),
      },
      variables: {
        ...variables,
        create: change((...args) => variables.create(...args)),
        write: change((...args) => variables.write(...args)),
      },
      deployments: { ...deployments, redeploy: change((...args) => deployments.redeploy(...args)) },
    },
  };
}

async function dyingAtEachChange(
  when: 'before' | 'after',
  then: (bench: RotationBench) => Promise<void>,
): Promise<void> {
  let at = 1;
  for (let died = true; died; at += STRIDE) {
    expect(at).toBeLessThan(MOST_WRITES);
    const bench = await rotationBench();
    try {
      const { death, ports } = mortal(bench, at, when);
      died = (await Promise.race([death, bench.run({}, {}, ports)])) === 'dead';
      bench.clock.jump(LEASE_MS);
      if (died) await then(bench);
    } finally {
      await bench.stop();
    }
  }
  expect(at).toBeGreaterThan(15);
}

describe('a rotation that died at each of its changes', () => {
  it.each(['before', 'after'] as const)('(%s it) is completed by the same call', async (when) => {
    await dyingAtEachChange(when, async (bench) => {
      expect(await bench.run()).toMatchObject({ outcome: 'done' });
      expect(stateOf(bench)).toEqual(ALL_NEW);
      expect((await bench.journals()).filter(({ state }) => state === 'changing')).toEqual([]);
    });
  });

  it('is undone by a call with the old value', async () => {
    await dyingAtEachChange('after', async (bench) => {
      const changes = ['backend', 'dashboard'].map((project) => ({ project, variable: 'KEY', value: OLD }));
      expect(await bench.run({ changes })).toMatchObject({ outcome: 'done' });
      expect(stateOf(bench)).toEqual(ALL_OLD);
      expect((await bench.journals()).filter(({ state }) => state === 'changing')).toEqual([]);
    });
  });
});

describe('a resumed rotation', () => {
  /** Dead when KEY of backend has the new value, and that of dashboard the old one. */
  async function deadHalfway(): Promise<RotationBench> {
    const bench = await rotationBench();
    for (let at = 1; ; at++) {
      const { death, ports } = mortal(bench, at, 'after');
      await Promise.race([death, bench.run({}, {}, ports)]);
      if (bench.vercel.valueOf('backend', 'KEY') === NEW) return bench;
      bench.clock.jump(LEASE_MS);
    }
  }

  it('waits until the lease of the dead process expires', async () => {
    const bench = await deadHalfway();
    await expect(bench.run()).rejects.toMatchObject({ code: 'locked' });
    expect(stateOf(bench)).toEqual({ backend: [NEW, OLD], dashboard: [OLD, OLD] });
    await bench.stop();
  });

  it('finds the old value for a rollback in another project, by its fingerprint', async () => {
    const bench = await deadHalfway();
    bench.clock.jump(LEASE_MS);
    bench.vercel.set({ build: (_, { KEY }) => ({ buildingReads: 0, ending: KEY === NEW ? 'ERROR' : 'READY' }) });
    expect(await bench.run()).toMatchObject({ outcome: 'rolled-back', resumed: true });
    expect(stateOf(bench)).toEqual(ALL_OLD);
    await bench.stop();
  });

  it('accepts no other value as the old one', async () => {
    const bench = await deadHalfway();
    bench.clock.jump(LEASE_MS);
    const dashboard = bench.vercel.project('dashboard').variables.find(({ key }) => key === 'KEY');
    if (dashboard !== undefined) dashboard.value = NEW;
    bench.vercel.set({ build: (_, { KEY }) => ({ buildingReads: 0, ending: KEY === NEW ? 'ERROR' : 'READY' }) });
    const result = await bench.run({ candidates: ['some-other-value'] });
    expect(result).toMatchObject({ outcome: 'half-changed', resumed: true });
    expect(result.error?.message).toContain('The old value of KEY of backend is unknown');
    await bench.stop();
  });

  it('takes the old value from the caller if no project has it any more', async () => {
    const bench = await deadHalfway();
    bench.clock.jump(LEASE_MS);
    const dashboard = bench.vercel.project('dashboard').variables.find(({ key }) => key === 'KEY');
    if (dashboard !== undefined) dashboard.value = NEW;
    bench.vercel.set({ build: (_, { KEY }) => ({ buildingReads: 0, ending: KEY === NEW ? 'ERROR' : 'READY' }) });
    expect(await bench.run({ candidates: ['other', OLD] })).toMatchObject({ outcome: 'rolled-back', resumed: true });
    expect(stateOf(bench)).toEqual(ALL_OLD);
    await bench.stop();
  });

  it('is not resumed if someone else has changed a variable since', async () => {
    const bench = await deadHalfway();
    bench.clock.jump(LEASE_MS);
    const backend = bench.vercel.project('backend').variables.find(({ key }) => key === 'KEY');
    if (backend !== undefined) backend.value = 'changed-by-hand';
    expect(await bench.run()).toMatchObject({ outcome: 'done', resumed: false });
    expect(stateOf(bench)).toEqual(ALL_NEW);
    expect((await bench.journals()).map(({ state }) => state)).toContain('superseded');
    await bench.stop();
  });
});

it('two rotations at once: one is refused, and nothing is mixed', async () => {
  const bench = await rotationBench();
  const both = await Promise.allSettled([bench.run(), bench.run({ purpose: 'another' })]);
  const done = both.filter((one) => one.status === 'fulfilled' && one.value.outcome === 'done');
  const refused = both.filter(
    (one) => one.status === 'rejected' && (one.reason as { code?: string }).code === 'locked',
  );
  expect([done.length, refused.length]).toEqual([1, 1]);
  expect(stateOf(bench)).toEqual(ALL_NEW);
  await bench.stop();
});

it('an interrupted rotation stops at once, and the same call continues', async () => {
  const bench = await rotationBench({ build: () => ({ buildingReads: 5 }) });
  const stop = new AbortController();
  bench.vercel.set({
    fault: ({ method }) => {
      if (method === 'POST') stop.abort(new Error('stop'));
      return null;
    },
  });
  const broken = await bench.run({}, { interrupt: stop.signal });
  expect(broken).toMatchObject({ outcome: 'broken-off', variables: [{ has: 'new' }, { has: 'new' }] });
  expect(await bench.run({ candidates: [OLD] })).toMatchObject({ outcome: 'done', resumed: true });
  expect(stateOf(bench)).toEqual(ALL_NEW);
  await bench.stop();
});
