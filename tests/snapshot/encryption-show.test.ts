import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { startUpstashRedis, type UpstashRedisStandIn } from '../../dev/upstash-redis/index.js';
import { manifestSchema } from '../../lib/snapshot/manifest.js';
import { projectLabel } from '../../lib/snapshot/counts.js';
import { cli, cliJson, type Variables } from '../cli/fixture.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';

const PROJECT = 'cmwhitefalcon01';
const HEAVY = `feedback:${PROJECT}:tooheavyitem`;
const HINT = 'set BACKUP_AGE_IDENTITY to the secret key of one of the recipients';
const SEALED = /^\(encrypted\)\s+\S/m;

describe('names of keys on the command line', () => {
  let database: TestDatabase;
  let server: UpstashRedisStandIn;
  const folders: FolderStore[] = [];
  let identity = '';
  let another = '';

  /** A separate store with one snapshot in it, and what the command said of that. */
  async function taken(keys: Variables): Promise<{ env: Variables; stderr: string; code: number }> {
    const store = await folderStore();
    folders.push(store);
    const env = {
      BACKUP_STORE: pathToFileURL(store.folder).href,
      UPSTASH_REDIS_REST_URL: server.url,
      UPSTASH_REDIS_REST_TOKEN: 'test-token',
    };
    const { stderr, code } = await cli(['backup'], { ...env, ...keys });
    return { env, stderr, code };
  }

  beforeAll(async () => {
    [identity, another] = [await generateX25519Identity(), await generateX25519Identity()];
    database = await startTestDatabase();
    await database.redis.hset(`project:${PROJECT}`, 'id', PROJECT);
    // A single field that is larger than a reply may be cannot be read.
    await database.redis.hset(HEAVY, 'body', 'x'.repeat(40_000));
    server = await startUpstashRedis({ redisUrl: database.url, token: 'test-token', requestLimitBytes: 20_000 });
  });
  afterAll(async () => {
    await server.stop();
    await database.stop();
    for (const folder of folders) await folder.remove();
  });

  it('are shown with the identity; without it only their number and the reasons are shown', async () => {
    const { env, stderr, code } = await taken({ BACKUP_AGE_RECIPIENTS: await identityToRecipient(identity) });
    expect([code, stderr]).toEqual([3, expect.stringContaining('  (encrypted): one element is too large for a reply')]);
    expect(stderr).toContain(HINT);
    expect(stderr).not.toContain('tooheavyitem');

    for (const keys of [{}, { BACKUP_AGE_IDENTITY: another }]) {
      const { stdout } = await cli(['show', 'newest'], { ...env, ...keys });
      expect(stdout).toMatch(SEALED);
      expect(stdout).toContain(HINT);
      expect(stdout).not.toContain(PROJECT);
      expect(stdout).toContain(projectLabel(PROJECT));
    }
    const opened = { ...env, BACKUP_AGE_IDENTITY: identity };
    const { stdout } = await cli(['show', 'newest'], opened);
    expect(stdout).toContain(`${HEAVY}  one element is too large for a reply`);
    expect(stdout).not.toMatch(SEALED);
    expect(stdout).not.toContain(HINT);
    const { json } = await cliJson(['show', 'newest'], opened);
    expect(manifestSchema.parse(json['manifest']).ledger.failed.keys).toMatchObject([{ key: HEAVY }]);
  });

  it('are in the warning of the backup where it has the identity', async () => {
    const recipient = await identityToRecipient(identity);
    const { stderr } = await taken({ BACKUP_AGE_RECIPIENTS: recipient, BACKUP_AGE_IDENTITY: identity });
    expect(stderr).toContain(`  ${HEAVY}: one element is too large for a reply`);
    expect(stderr).not.toContain(HINT);
  });

  it('need no key where nothing is encrypted, not even a well-formed one', async () => {
    const { env, stderr } = await taken({});
    expect(stderr).toContain(`  ${HEAVY}: one element is too large for a reply`);
    const { code, stdout } = await cli(['show', 'newest'], { ...env, BACKUP_AGE_IDENTITY: 'not-an-identity' });
    expect([code, stdout]).toEqual([0, expect.stringContaining(`${HEAVY}  one element is too large`)]);
  });
});
