import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { presentEngines } from '../support/engines.js';
import { Lie } from './claims.js';
import { DATA, restore, run, SAVED, SETTING, type Lying } from './lies.js';
import { RESTORE_LIES } from './lies-restore.js';
import { STORE_LIES } from './lies-store.js';
import { realProduct, type Product } from './product.js';
import { startHuntDatabase, type HuntDatabase } from './servers.js';
import type { Step } from './steps.js';
import { walk } from './walk.js';
import { newWorld, type Known, type World } from './world.js';

describe('the hunt names', () => {
  const databases: HuntDatabase[] = [];
  let folder: string;
  const saved: Known[] = [];
  let lying: Lying | null = null;
  const product: Product = {
    ...realProduct,
    async run(args, env, skewSeconds) {
      const outcome = await realProduct.run(args, env, skewSeconds);
      return (await lying?.(world, outcome)) ?? outcome;
    },
  };
  let world: World;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hunt-judge-'));
    const program = (await presentEngines()).find(({ fieldExpiry }) => fieldExpiry)?.program ?? 'redis-server';
    for (const host of ['127.0.0.1', 'localhost', '127.0.0.1', '127.0.0.1'] as const)
      databases.push(await startHuntDatabase({ program, host }));
  });

  afterAll(async () => {
    for (const each of databases) await each.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A world in which these steps were done; what is saved in most of them is saved once. */
  async function open(before: readonly Step[]): Promise<void> {
    for (const each of databases) await each.reset();
    const [main, other, scratch, standby] = databases as [HuntDatabase, HuntDatabase, HuntDatabase, HuntDatabase];
    await other.redis().call('SET', 'staging', '1');
    const keys = { signingKey: '', identity: '', recipient: '' };
    world = newWorld({ setting: SETTING, product, main, other, scratch, standby, keys }, join(folder, 'world'));
    lying = null;
    const isSaved = SAVED.every((step, at) => before[at] === step);
    if (isSaved && saved.length > 0) {
      for (const step of DATA) await walk(world, step);
      cpSync(join(folder, 'saved'), join(folder, 'world'), { recursive: true, preserveTimestamps: true });
      for (const each of saved)
        world.known.store.set(each.id, { ...each, standing: { doubts: [], adopted: false }, touched: false });
    } else if (isSaved) {
      for (const step of SAVED) await walk(world, step);
      cpSync(join(folder, 'world'), join(folder, 'saved'), { recursive: true, preserveTimestamps: true });
      saved.push(...world.known.store.values());
    }
    for (const step of before.slice(isSaved ? SAVED.length : 0)) await walk(world, step);
  }

  it.each([...RESTORE_LIES, ...STORE_LIES])('$title', async ({ before, claim, last, lie }) => {
    await open(before);
    lying = lie;
    await expect(walk(world, last)).rejects.toMatchObject({ constructor: Lie, claim });
  });

  it('nothing where nothing is told that is not so', async () => {
    await open(SAVED);
    const commands = [
      ...[restore({ mode: 'merge' }), restore({ ttl: 'shift', rehearsed: true }), run({ run: 'undo' })],
      ...[run({ run: 'drill' }), run({ run: 'verify', of: 1 }), run({ run: 'replicate' }), run({ run: 'prune' })],
    ];
    for (const step of [...commands, { do: 'audit' } as const]) await walk(world, step);
  });
});
