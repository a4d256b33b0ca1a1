import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ed25519Signer, generateSigningKey } from '../../lib/crypto/ed25519.js';
import { silentLog } from '../../lib/app/in-process.js';
import { authenticatedStore } from '../../lib/control/authenticated-store.js';
import { encodeJson } from '../../lib/json.js';
import { claimLease, endLease, handOverLease, renewLease, type Claim, type Lease } from '../../lib/runs/lease.js';
import { openBench, TIMES, type Bench } from './bench.js';

const HOUR = 3_600_000;
const SKEWS = [-365 * 24 * HOUR, -20 * 60_000, -70_000, 70_000, 20 * 60_000, 365 * 24 * HOUR];
const OBJECT = 'leases/database.json';

let bench: Bench;
beforeEach(async () => (bench = await openBench()));
afterEach(() => bench.folder.remove());

/** A machine whose clock is off by `skew`; the store uses the clock of the bench. */
const machine = (skew: number) => ({
  clock: { ...bench.clock, now: () => bench.clock.now() + skew },
  store: bench.folder.store,
});
const granted = (claim: Claim): Lease => {
  if (claim.granted) return claim.lease;
  throw new Error(`held by ${claim.holder}`);
};
const put = async (body: string | Buffer): Promise<void> => {
  await bench.folder.store.remove(OBJECT);
  await bench.folder.store.create(OBJECT, Buffer.from(body));
};

describe.each(SKEWS)('a clock that is off by %d ms', (skew) => {
  it('displaces no live holder', async () => {
    let lease = granted(await claimLease(machine(0), 'database', 'a', TIMES));
    for (let step = 0; step < 3; step++) {
      await bench.clock.advance(TIMES.attemptTtlMs / 3);
      lease = await renewLease(machine(0), lease, TIMES);
      expect(await claimLease(machine(skew), 'database', 'b', TIMES)).toMatchObject({ granted: false, holder: 'a' });
      expect(await claimLease(machine(skew), 'database', 'a', TIMES)).toMatchObject({ granted: false, ownRun: true });
    }
  });

  it('blocks others no longer than the holder asked for', async () => {
    granted(await claimLease(machine(skew), 'database', 'a', TIMES));
    await bench.clock.advance(TIMES.holdMs - 1);
    expect(await claimLease(machine(0), 'database', 'b', TIMES)).toMatchObject({ granted: false, waitMs: 1 });
    await bench.clock.advance(1);
    expect(await claimLease(machine(0), 'database', 'b', TIMES)).toMatchObject({ granted: true, displaced: 'a' });
  });
});

describe('a lease of an earlier version', () => {
  const former = { leg: 'x', fence: 7, legUntil: 0, expiresAt: 0 };

  it.each([0, Date.parse('2099-01-01')])('expires by its age, not by its dates (%d)', async (expiresAt) => {
    await put(encodeJson({ ...former, holder: 'a', legUntil: expiresAt, expiresAt }));
    expect(await claimLease(machine(0), 'database', 'b', TIMES)).toMatchObject({ granted: false, holder: 'a' });
    await bench.clock.advance(60_000);
    expect(await claimLease(machine(0), 'database', 'b', TIMES)).toMatchObject({ granted: false, holder: 'a' });
    await bench.clock.advance(14 * 60_000);
    expect(granted(await claimLease(machine(0), 'database', 'b', TIMES)).document.fence).toBe(8);
  });

  it('goes to the next attempt of its own run after a minute', async () => {
    await put(encodeJson({ ...former, holder: 'a' }));
    await bench.clock.advance(60_000);
    granted(await claimLease(machine(0), 'database', 'a', TIMES));
  });
});

describe('a lease with a far too long hold time', () => {
  it('expires after a quarter of an hour if its holder has no record', async () => {
    const lease = { holder: 'nobody', leg: null, fence: 1, legTtlMs: 1e15, holdMs: 1e15, beat: 'x' };
    await put(encodeJson(lease));
    await bench.clock.advance(15 * 60_000);
    granted(await claimLease(machine(0), 'database', 'b', TIMES));
  });

  it('is free at once if its run is over', async () => {
    const id = await bench.start();
    expect((await bench.drive(id)).state).toBe('succeeded');
    await put(encodeJson({ holder: id, leg: null, fence: 1, legTtlMs: 1e15, holdMs: 1e15, beat: 'x' }));
    granted(await claimLease(machine(0), 'database', 'b', TIMES));
  });
});

describe.each([
  ['empty', ''],
  ['cut', '{"holder": null, "le'],
  ['a list', '[]'],
  ['null', 'null'],
  ['of other fields', '{"a":1}'],
  ['of wrong types', '{"holder":1,"leg":2,"fence":"x","legTtlMs":"1","holdMs":null,"beat":{}}'],
  ['not text', Buffer.from([0, 159, 146, 150])],
])('a lease object that is %s', (_, body) => {
  const signer = ed25519Signer({ ...generateSigningKey(), publicKey: null });
  const wrapped = (keys: boolean) =>
    keys
      ? { clock: bench.clock, store: authenticatedStore(bench.folder.store, signer, silentLog()) }
      : { clock: bench.clock, store: bench.folder.store };

  it.each([false, true])(
    'is reported with its remedy, and can be taken after the hold time (keys: %s)',
    async (keys) => {
      await put(body);
      const claim = (): Promise<Claim> => claimLease(wrapped(keys), 'database', 'b', TIMES);
      await expect(claim()).rejects.toMatchObject({
        code: 'locked',
        message: expect.stringContaining(OBJECT),
        hint: expect.stringContaining('npx soulcaster-backup unlock database --yes --env-file .env'),
      });
      await bench.clock.advance(TIMES.holdMs);
      const lease = granted(await claim());
      await handOverLease(wrapped(keys), lease, TIMES);
    },
  );

  it.each([false, true])('is ended by hand at once (keys: %s)', async (keys) => {
    await put(body);
    expect(await endLease(wrapped(keys), 'database')).toBe(true);
    granted(await claimLease(wrapped(keys), 'database', 'b', TIMES));
  });
});

it('grants a missing lease with a higher fencing number than any run had', async () => {
  const id = await bench.start();
  await bench.drive(id);
  const { fence } = await bench.load(id);
  await bench.folder.store.remove('leases/drill.json');
  expect(granted(await claimLease(machine(0), 'drill', 'b', TIMES)).document.fence).toBeGreaterThan(fence);
});
