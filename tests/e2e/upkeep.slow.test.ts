import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ed25519Signer } from '../../lib/crypto/ed25519.js';
import { fileStore } from '../../lib/stores/file/store.js';
import { silentLog } from '../../lib/app/in-process.js';
import { authenticatedStore } from '../../lib/control/authenticated-store.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { cliJson } from '../cli/fixture.js';
import { startTestDatabase } from '../support/test-database.js';
import { compareSnapshot } from '../support/compare.js';
import { days, listed } from '../retention/prune/bench.js';
import { nightlyStack, SAME, type NightlyStack, type RunView } from './nightly-stack.js';

const TOKEN = 'token-of-another-database';

let nightly: NightlyStack;
let second: string;

beforeAll(async () => {
  second = await mkdtemp(join(tmpdir(), 'second-store-'));
  const variables = { BACKUP_REPLICA_STORE: pathToFileURL(second).href, RETENTION_KEEP_LAST: '2' };
  const none = { RETENTION_KEEP_WITHIN_DAYS: '0', RETENTION_KEEP_DAILY: '0', RETENTION_KEEP_WEEKLY: '0' };
  nightly = await nightlyStack(
    { items: 60, mixed: 100 },
    { variables: { ...variables, ...none, RETENTION_KEEP_MONTHLY: '0' } },
  );
});

afterAll(async () => {
  await nightly.stack.stop();
  await rm(second, { recursive: true, force: true });
});

type Answer = RunView & { readonly upkeep: Record<string, Record<string, unknown>> };
const folder = (): string => fileURLToPath(nightly.stack.env['BACKUP_STORE'] ?? '');

describe('the nightly cron', () => {
  let newest = '';

  it('prunes after its snapshot and copies it to the second store', async () => {
    // Older ones of the same size; the nightly one must not look like a fall.
    const signer = ed25519Signer({ privateKey: nightly.stack.env['BACKUP_SIGNING_KEY'] ?? null, publicKey: null });
    const old = await days(authenticatedStore(fileStore({ folder: folder() }), signer, silentLog()), 3, {
      signer,
      source: sourceOf(new URL(nightly.stack.urls.redisRest).host),
    });
    const answer = (await (await nightly.cron()).json()) as Answer;
    newest = answer.runId;
    expect(answer).toMatchObject({ state: 'succeeded', result: { state: 'complete' } });
    expect(answer.upkeep).toMatchObject({
      prune: { state: 'done', held: null, snapshots: { kept: 2, removed: 2 }, error: null },
      replica: { state: 'done', copied: 2, left: 0, error: null },
      replicaPrune: { state: 'done', snapshots: { removed: 0 } },
    });
    for (const place of [folder(), second]) {
      expect(await listed(fileStore({ folder: place }))).toEqual([newest, old[0]]);
    }
    expect(await compareSnapshot(nightly.stack.urls.redis, second, newest)).toMatchObject(SAME);
  });

  it('restores from the second store when the first is gone with everything in it', async () => {
    await rename(folder(), `${folder()}-lost`);
    const target = await startTestDatabase();
    const server = await startUpstashRedis({ redisUrl: target.url, token: TOKEN });
    const standby = { RESTORE_TARGET_STANDBY_REST_URL: server.url, RESTORE_TARGET_STANDBY_REST_TOKEN: TOKEN };
    const env = { ...nightly.stack.env, ...standby };
    const list = await cliJson(['list', '--replica'], env);
    expect((list.json['snapshots'] as { id: string }[])[0]?.id).toBe(newest);
    const restored = await cliJson(
      ['restore', 'latest', '--replica', '--target', 'standby', '--no-settle', '--yes'],
      env,
    );
    expect([restored.code, restored.json.error]).toEqual([0, null]);
    expect(await compareSnapshot(target.url, second, newest)).toMatchObject(SAME);
    await server.stop();
    await target.stop();
    // The restore has left its mark in the first store, as far as that could be written.
    await rm(folder(), { recursive: true, force: true });
    await rename(`${folder()}-lost`, folder());
  });

  it('is a success although the second store cannot be reached, and says so', async () => {
    await rename(second, `${second}-away`);
    await fileStore({ folder: join(second, '..') }).create(second.split('/').at(-1) ?? '', Buffer.from('a file'));
    const answer = await nightly.cron();
    const body = (await answer.json()) as Answer;
    expect([answer.status, body.state]).toEqual([200, 'succeeded']);
    expect(body.upkeep).toMatchObject({
      prune: { state: 'done', error: null },
      replica: { state: 'failed', error: { code: expect.any(String) as unknown } },
      replicaPrune: { state: 'skipped' },
    });
    await rm(second);
    await rename(`${second}-away`, second);
  });
});
