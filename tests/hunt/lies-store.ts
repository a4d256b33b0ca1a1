import { readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  BACKUP,
  DATA,
  dryRun,
  FAR,
  newestManifest,
  of,
  redis,
  restore,
  rewritten,
  run,
  SAVED,
  says,
  succeeds,
  withoutKey,
  type Case,
} from './lies.js';
import type { Step } from './steps.js';
import type { World } from './world.js';

function removed(folder: string, world: World): null {
  unlinkSync(join(folder, newestManifest(world)));
  return null;
}

export const STORE_LIES: readonly Case[] = [
  {
    title: 'a complete snapshot that lacks a key',
    claim: 'a complete snapshot holds every key that stood unchanged',
    before: DATA,
    last: BACKUP,
    lie: (world) => rewritten(world, withoutKey('k:2')),
  },
  {
    title: 'a snapshot with an expiry that is a millisecond off',
    claim: 'a complete snapshot holds every key that stood unchanged',
    before: DATA,
    last: BACKUP,
    lie: (world) => rewritten(world, (lines) => lines.map((line) => line.replace(`"x":${FAR}`, `"x":${FAR + 1}`))),
  },
  {
    title: 'a snapshot without the times of fields',
    claim: 'a complete snapshot holds every key that stood unchanged',
    before: DATA,
    last: BACKUP,
    lie: (world) => rewritten(world, (lines) => lines.map((line) => line.replace(/,"fx":\[\[.*?\]\]/, ''))),
  },
  {
    title: 'a manifest that counts more keys than there are',
    claim: 'the manifest counts the keys',
    before: DATA,
    last: BACKUP,
    lie(world) {
      const file = join(world.folders.store, newestManifest(world));
      const manifest = JSON.parse(readFileSync(file, 'utf8')) as { counts: object };
      writeFileSync(file, JSON.stringify({ ...manifest, counts: { ...manifest.counts, keys: 999 } }));
      return null;
    },
  },
  {
    title: 'a backup that ended well without a snapshot',
    claim: 'a backup that ended well left a complete snapshot',
    before: DATA,
    last: BACKUP,
    lie: says(() => ({ snapshot: '20260101T000000Z-abcdef' })),
  },
  {
    title: 'a `latest` of another source',
    claim: 'latest is trusted',
    before: [...SAVED, run({ run: 'backup-other' })],
    last: dryRun(),
    lie: (world, outcome) =>
      says(() => ({ snapshot: [...world.known.store.values()].find(({ of: whose }) => whose === 'other')?.id }))(
        world,
        outcome,
      ),
  },
  {
    title: 'a `latest` that is not the newest',
    claim: 'latest is the newest that is trusted',
    before: [...SAVED, BACKUP],
    last: dryRun(),
    lie: (world, outcome) => says(() => ({ snapshot: [...world.known.store.keys()].sort()[0] }))(world, outcome),
  },
  {
    title: 'a `latest` that is of an emptied database',
    claim: 'latest is trusted',
    before: [...SAVED, { do: 'flush' }, BACKUP],
    last: dryRun(),
    lie: (world, outcome) => says(() => ({ snapshot: [...world.known.store.keys()].sort().at(-1) }))(world, outcome),
  },
  {
    title: 'staged values that were left behind',
    claim: 'an ended run leaves nothing behind',
    before: SAVED,
    last: restore(),
    lie: redis('SET', 'soulcaster-backup:staged:x', '1'),
  },
  {
    title: 'a snapshot that is called incomplete without cause',
    claim: 'nothing but what cannot be saved makes a snapshot incomplete',
    before: DATA,
    last: BACKUP,
    lie: (_, outcome) => ({ ...outcome, code: 3, json: { error: { code: 'incomplete', message: '', hint: '' } } }),
  },
  {
    title: 'a damaged part that is called verified',
    claim: 'what is verified can be read',
    before: [...SAVED, { do: 'tamper', kind: 'part', pick: 3, how: 'truncate' }],
    last: run({ run: 'verify', of: 1 }),
    lie: succeeds,
  },
  {
    title: 'an altered snapshot that is called verified',
    claim: 'what is verified is as it was taken',
    before: SAVED,
    last: run({ run: 'verify', of: 1 }),
    lie: (world) => rewritten(world, withoutKey('k:3')),
  },
  {
    title: 'a drill that left keys',
    claim: 'a drill wipes what it filled',
    before: SAVED,
    last: run({ run: 'drill' }),
    async lie(world) {
      await world.scratch.redis().call('SET', 'left', '1');
      return null;
    },
  },
  {
    title: 'a drill of nothing that passed',
    claim: 'a drill that passed tried a trusted snapshot',
    before: DATA,
    last: run({ run: 'drill' }),
    lie: succeeds,
  },
  {
    title: 'a prune that took the newest',
    claim: 'a prune keeps the newest trusted snapshot',
    before: SAVED,
    last: run({ run: 'prune' }),
    lie: (world) => removed(world.folders.store, world),
  },
  {
    title: 'a replica that lacks what was copied',
    claim: 'a replication that ended well copied all',
    before: SAVED,
    last: run({ run: 'replicate' }),
    lie: (world) => removed(world.folders.replica, world),
  },
  {
    title: 'a replica that holds something else',
    claim: 'a copy is as its original',
    before: SAVED,
    last: run({ run: 'replicate' }),
    lie: (world) => rewritten(world, withoutKey('k:3'), world.folders.replica),
  },
  {
    title: 'a status ok without a snapshot',
    claim: 'the state is ok',
    before: DATA,
    last: { do: 'audit' },
    lie: of(
      'status',
      says(() => ({ state: 'ok' })),
    ),
  },
  {
    title: 'a recovery point of an emptied database',
    claim: 'the recovery point is trusted',
    before: [...SAVED, { do: 'flush' }, BACKUP],
    last: { do: 'audit' },
    lie: of('status', (world, outcome) => {
      const id = [...world.known.store.keys()].sort().at(-1);
      return says(() => ({ recoveryPoint: { met: false, newestVerified: { id, keys: 0 } } }))(world, outcome);
    }),
  },
  {
    title: 'a list that calls a doubtful snapshot trusted',
    claim: 'what is listed as trusted is so',
    before: [...SAVED, { do: 'flush' }, BACKUP],
    last: { do: 'audit' },
    lie: of(
      'list',
      says(({ snapshots }) => ({ snapshots: (snapshots as object[]).map((each) => ({ ...each, trust: 'trusted' })) })),
    ),
  },
  {
    title: 'a list that leaves one out',
    claim: 'a snapshot that is there is listed',
    before: [...SAVED, BACKUP],
    last: { do: 'audit' },
    lie: of(
      'list',
      says(({ snapshots }) => ({ snapshots: (snapshots as object[]).slice(1) })),
    ),
  },
  {
    title: 'a `latest` that is not found',
    claim: 'a trusted snapshot is found',
    before: SAVED,
    last: { do: 'audit' },
    lie: of('restore', (_, outcome) => ({
      ...outcome,
      code: 10,
      json: { error: { code: 'not-found', message: '', hint: '' } },
    })),
  },
  {
    title: 'a lease that was ended and is held',
    claim: 'a lease that was ended is free',
    before: SAVED,
    last: run({ run: 'unlock' }),
    lie(world, outcome) {
      const file = join(world.folders.store, 'leases/database.json');
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), holder: 'somebody' }));
      return says(() => ({ ended: 'database' }))(world, outcome);
    },
  },
  {
    title: 'a run that was cancelled and succeeded',
    claim: 'a run that was cancelled did not succeed',
    before: DATA,
    last: { ...(BACKUP as Extract<Step, { do: 'command' }>), meddle: { at: 4, second: 'cancel' } },
    lie: of('backup', (world, outcome) => succeeds(world, outcome)),
  },
  {
    title: 'an error and exit code 0',
    claim: 'the exit code agrees with what is printed',
    before: [],
    last: restore({ of: 0 }),
    lie: (_, outcome) => ({ ...outcome, code: 0 }),
  },
  {
    title: 'a defect',
    claim: 'no command ends with a defect',
    before: DATA,
    last: BACKUP,
    lie: (_, outcome) => ({ ...outcome, text: 'error: Unexpected SyntaxError' }),
  },
];
