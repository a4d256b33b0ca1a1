import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  claimLease,
  endLease,
  handOverLease,
  keepLease,
  releaseLease,
  renewLease,
  type Claim,
  type Lease,
} from '../../lib/runs/lease.js';
import { encodeJson } from '../../lib/json.js';
import { newId } from '../../lib/runs/ids.js';
import { createRun, newRecord, runName } from '../../lib/runs/records.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { manualClock, type ManualClock } from '../support/clocks.js';
import { createLeaseWatchdog } from '../../lib/runs/attempt.js';

const TTL = 60_000;
const HOLD = 10 * TTL;
const TIMES = { attemptTtlMs: TTL, holdMs: HOLD };

let folder: FolderStore;
let clock: ManualClock;
let ports: { clock: ManualClock; store: FolderStore['store'] };

beforeEach(async () => {
  clock = manualClock();
  folder = await folderStore(clock);
  ports = { clock, store: folder.store };
});

afterEach(() => folder.remove());

function granted(claim: Claim): Lease {
  if (claim.granted) return claim.lease;
  throw new Error(`not granted: ${claim.holder} has it`);
}

describe('a lease', () => {
  it('counts within one series, and begins another one where nothing that is believed tells of the count', async () => {
    const first = granted(await claimLease(ports, 'snapshot', 'a', TIMES));
    await releaseLease(ports, first);
    const second = granted(await claimLease(ports, 'snapshot', 'b', TIMES));
    expect(second.document.series).toBe(first.document.series);
    const definition = { kind: 'snapshot', lease: 'snapshot', firstPhase: 'scan', phases: {}, words: {} } as never;
    const progress = { done: 0, total: null, unit: 'keys', bytes: 0 } as const;
    const request = { kind: 'snapshot', input: null, checkpoint: null, progress };
    const { fence, series = null } = second.document;
    const id = newId(clock.now());
    await createRun(folder.store, { ...newRecord(id, definition, request, fence, clock.now()), series });
    await folder.store.remove('leases/snapshot.json');
    const third = granted(await claimLease(ports, 'snapshot', 'c', TIMES));
    expect(third.document).toMatchObject({ fence: fence + 1, series });
    await folder.store.remove('leases/snapshot.json');
    await folder.store.remove(runName(id));
    const other = granted(await claimLease(ports, 'snapshot', 'd', TIMES));
    expect(other.document.fence).toBe(1);
    expect(other.document.series).not.toBe(series);
  });

  it('goes to one holder, and says who that is', async () => {
    granted(await claimLease(ports, 'snapshot', 'a', TIMES));
    expect(await claimLease(ports, 'snapshot', 'b', TIMES)).toEqual({
      granted: false,
      holder: 'a',
      ownRun: false,
      lease: 'snapshot',
      ageMs: 0,
      waitMs: HOLD,
    });
  });

  it('is granted to exactly one of many concurrent claims', async () => {
    const claims = await Promise.all(
      Array.from({ length: 12 }, (_, at) => claimLease(ports, 'snapshot', `run-${at}`, TIMES)),
    );
    expect(claims.filter((claim) => claim.granted)).toHaveLength(1);
  });

  it('keeps a second attempt of the same run out while the first is in progress', async () => {
    granted(await claimLease(ports, 'snapshot', 'a', TIMES));
    expect(await claimLease(ports, 'snapshot', 'a', TIMES)).toMatchObject({ granted: false, ownRun: true });
  });

  it('goes only to the next attempt of the same run after a hand-over', async () => {
    const lease = granted(await claimLease(ports, 'snapshot', 'a', TIMES));
    await handOverLease(ports, lease, TIMES);
    expect(await claimLease(ports, 'snapshot', 'b', TIMES)).toMatchObject({ granted: false, holder: 'a' });
    const next = granted(await claimLease(ports, 'snapshot', 'a', TIMES));
    expect(next.document.fence).toBeGreaterThan(lease.document.fence);
  });

  it('is free after a release, and its fencing number still grows', async () => {
    const lease = granted(await claimLease(ports, 'snapshot', 'a', TIMES));
    await releaseLease(ports, lease);
    const next = granted(await claimLease(ports, 'snapshot', 'b', TIMES));
    expect(next.document.fence).toBe(lease.document.fence + 1);
  });

  it('goes to another attempt of the same run when the first is dead, while other runs still wait', async () => {
    const dead = granted(await claimLease(ports, 'snapshot', 'a', TIMES));
    await clock.advance(TTL);
    expect(await claimLease(ports, 'snapshot', 'b', TIMES)).toMatchObject({ granted: false, holder: 'a' });
    granted(await claimLease(ports, 'snapshot', 'a', TIMES));
    await expect(renewLease(ports, dead, TIMES)).rejects.toMatchObject({ code: 'fenced' });
  });

  it('can be taken when it has expired, and is then useless to the old holder', async () => {
    const lease = granted(await claimLease(ports, 'snapshot', 'a', TIMES));
    await clock.advance(HOLD);
    expect(await claimLease(ports, 'snapshot', 'b', TIMES)).toMatchObject({ granted: true, displaced: 'a' });
    await expect(renewLease(ports, lease, TIMES)).rejects.toMatchObject({ code: 'fenced' });
    await releaseLease(ports, lease);
    expect(await claimLease(ports, 'snapshot', 'c', TIMES)).toMatchObject({ granted: false, holder: 'b' });
  });

  it('lasts as long as it is renewed', async () => {
    let lease = granted(await claimLease(ports, 'snapshot', 'a', TIMES));
    for (let step = 0; step < 5; step++) {
      await clock.advance(HOLD - 1);
      lease = await renewLease(ports, lease, TIMES);
    }
    expect(await claimLease(ports, 'snapshot', 'b', TIMES)).toMatchObject({ granted: false, holder: 'a' });
  });

  it('is renewed while its run has tasks in progress, only by that run', async () => {
    const lease = granted(await claimLease(ports, 'snapshot', 'a', TIMES));
    await handOverLease(ports, lease, TIMES);
    await clock.advance(HOLD * 0.75);
    await keepLease(ports, 'snapshot', 'b', TIMES);
    await keepLease(ports, 'snapshot', 'a', TIMES);
    await clock.advance(HOLD * 0.75);
    expect(await claimLease(ports, 'snapshot', 'b', TIMES)).toMatchObject({ granted: false, holder: 'a' });
  });

  it.each([Number.MAX_SAFE_INTEGER, 2 ** 52 + 1])(
    'with a count that no attempt of ours reaches cannot be read, and is mended by ending it: %d',
    async (fence) => {
      const document = { holder: null, leg: null, fence, legTtlMs: 1, holdMs: 1, beat: '' };
      await ports.store.create('leases/snapshot.json', encodeJson(document));
      await expect(claimLease(ports, 'snapshot', 'a', TIMES)).rejects.toMatchObject({
        code: 'locked',
        message: expect.stringContaining('leases/snapshot.json') as unknown,
        hint: expect.stringContaining('unlock snapshot') as unknown,
      });
      await endLease(ports, 'snapshot');
      expect(granted(await claimLease(ports, 'snapshot', 'a', TIMES)).document.fence).toBeLessThan(100);
    },
  );
});

const reason = (): Error => new Error('suspended');

it('is aborted when it is read after too long a silence, before any timer runs', () => {
  let up = 0;
  const clock = { ...manualClock(), uptime: () => up };
  const life = createLeaseWatchdog(clock, 60_000, [], reason);
  let told = 0;
  life.signal.addEventListener('abort', () => (told += 1));
  up = 59_999;
  expect(life.signal.aborted).toBe(false);
  life.confirmed(up);
  up += 59_999;
  expect(life.signal.aborted).toBe(false);
  up += 1;
  expect(life.signal.aborted).toBe(true);
  expect(told).toBe(1);
  expect(() => life.signal.throwIfAborted()).toThrow('suspended');
});

it('ignores changes of the system clock if uptime is known', async () => {
  const manual = manualClock();
  const life = createLeaseWatchdog({ ...manual, uptime: () => 0 }, 60_000, [], reason);
  await manual.advance(365 * 24 * 3_600_000);
  expect(life.signal.aborted).toBe(false);
});

it('is aborted with the reason of its sources', () => {
  const source = new AbortController();
  const life = createLeaseWatchdog(manualClock(), 60_000, [source.signal], reason);
  source.abort(new Error('stop'));
  expect(life.signal.aborted).toBe(true);
  expect(() => life.signal.throwIfAborted()).toThrow('stop');
});
