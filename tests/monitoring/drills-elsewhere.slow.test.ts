import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { generateAgeIdentity } from '../../lib/crypto/age.js';
import { writeDrill } from '../../lib/restore/drill/record.js';
import { readState } from '../../lib/monitoring/state.js';
import { newId } from '../../lib/runs/ids.js';
import { DAY, openWorld, type World } from './world/index.js';
import { told } from './world/judge.js';

let world: World;
beforeEach(async () => {
  const { recipient } = await generateAgeIdentity();
  world = await openWorld({ keys: 20, light: true, recipient });
});
afterEach(() => world.stop());

/** What `drill` leaves in the store, on a machine that has the identity. */
async function drilledElsewhere(): Promise<void> {
  const now = world.clock.true();
  const at = new Date(now).toISOString();
  const drill = { reason: null, snapshot: null, keys: 20, startedAt: at, finishedAt: at, milliseconds: 1_000 };
  await writeDrill(world.folder.store, { id: newId(now), outcome: 'passed', ...drill });
}

const open = async (): Promise<string[]> => (await readState(world.folder.store, null)).alerts.map(({ code }) => code);

describe('functions without the age identity', () => {
  it('start no drill that would fail, ask for one on a machine with the identity, and use its verdict', async () => {
    await world.fire('/api/cron/backup');
    await drilledElsewhere();
    await world.pass(8.5 * DAY);
    expect(await world.kinds()).not.toHaveProperty('drill');
    expect(told(world, 'opened')).not.toContain('drill-failed');
    expect(await open()).toEqual([]);

    await world.pass(DAY);
    const state = await readState(world.folder.store, null);
    expect(state.alerts).toMatchObject([
      { code: 'drill-overdue', hint: expect.stringContaining('npx soulcaster-backup drill --local --env-file .env') },
    ]);
    await drilledElsewhere();
    await world.pass(DAY);
    expect(await open()).toEqual([]);
  });
});
