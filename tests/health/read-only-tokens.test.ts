import { pathToFileURL } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { checkGroups } from '../../lib/app/checks.js';
import type { Environment } from '../../lib/app/config.js';
import { generateAgeIdentity, generateSigningKey } from '../../lib/app/connect/keys.js';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { saveErasure } from '../../lib/snapshot/erasures.js';
import { folderStore } from '../support/folder-store.js';
import { examine, type CheckResult } from '../../lib/health/doctor.js';
import { systemClock } from '../../lib/services/clock.js';
import { ACL_COMMAND } from '../../lib/setup/policies.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { startUpstashVector } from '../../dev/upstash-vector/index.js';
import { startTestDatabase } from '../support/test-database.js';

/** What doctor says of one thing: the first check of its group that fails, or the one of this name. */
async function told(name: string, env: Environment): Promise<CheckResult | undefined> {
  const clock = systemClock();
  const groups = checkGroups(env, clock).filter((group) => group.some((check) => check.name === name));
  const results: CheckResult[] = [];
  for await (const one of examine(clock, groups)) results.push(one);
  return results.find((one) => !one.ok) ?? results.find((one) => one.name === name);
}

describe('doctor names a token that may read but not write', () => {
  it('of the index, and of the one to build beside', async () => {
    const vector = await startUpstashVector({ token: 'right', readOnlyToken: 'reader' });
    for (const [name, prefix] of [
      ['index', 'UPSTASH_VECTOR_REST_'],
      ['index-next', 'UPSTASH_VECTOR_NEXT_REST_'],
    ] as const) {
      const of = (token: string) => told(name, { [`${prefix}URL`]: vector.url, [`${prefix}TOKEN`]: token });
      const result = await of('reader');
      expect(result).toMatchObject({ status: 'fail', detail: expect.stringContaining('not write') });
      expect(result?.hint).toContain(`${prefix}TOKEN`);
      expect(await of('right')).toMatchObject({ status: 'ok' });
    }
    await vector.stop();
  });

  it('of snapshots, whose identity is in a missing file', async () => {
    const { identity, recipient } = await generateAgeIdentity();
    const env = { BACKUP_AGE_RECIPIENTS: recipient, BACKUP_AGE_IDENTITY_FILE: 'no-such-file.txt' };
    expect(await told('encryption', env)).toMatchObject({
      status: 'fail',
      detail: expect.stringContaining('BACKUP_AGE_IDENTITY_FILE'),
    });
    expect(await told('encryption', { ...env, BACKUP_AGE_IDENTITY: identity })).toMatchObject({ status: 'ok' });
  });

  it('of the erasure list, which only another identity opens', async () => {
    const folder = await folderStore();
    const [old, fresh] = [await generateAgeIdentity(), await generateAgeIdentity()];
    const encryptor = ageEncryptor({ recipients: [old.recipient], identity: null });
    const subject = { kind: 'project' as const, id: 'p1', projects: ['p1'], reason: 'asked', by: 'ops' };
    await saveErasure({ store: folder.store, encryptor }, { ...subject, at: '2026-11-26T10:00:00Z' });
    const of = (identity?: string) =>
      told('erasures', {
        BACKUP_STORE: pathToFileURL(folder.folder).href,
        BACKUP_AGE_RECIPIENTS: fresh.recipient,
        ...(identity === undefined ? {} : { BACKUP_AGE_IDENTITY: identity }),
      });
    expect(await of()).toBeUndefined();
    expect(await of(fresh.identity)).toMatchObject({
      status: 'fail',
      detail: expect.stringContaining('restores and drills are refused'),
      hint: expect.stringContaining(old.recipient),
    });
    expect(await of(`${fresh.identity},${old.identity}`)).toMatchObject({ status: 'ok' });
    expect(await of(fresh.identity)).toMatchObject({ status: 'ok' });
    await folder.remove();
  });

  it('of the signing keys, and of the database', async () => {
    const { publicKey } = generateSigningKey();
    expect(await told('signature', { BACKUP_SIGNING_PUBLIC_KEY: publicKey })).toMatchObject({ status: 'warn' });
    const database = await startTestDatabase();
    const [, ...words] = ACL_COMMAND.replace('PASSWORD', 'secret-word').split(' ');
    await database.redis.call('ACL', ...words, '+command');
    const of = async (user: string): ReturnType<typeof told> => {
      const redis = await startUpstashRedis({ redisUrl: `${database.url}${user}`, token: 'right' });
      const env = { UPSTASH_REDIS_REST_URL: redis.url, UPSTASH_REDIS_REST_TOKEN: 'right' };
      const result = await told('redis-writes', env);
      await redis.stop();
      return result;
    };
    const seen = await of('?username=soulcaster-backup&password=secret-word');
    expect(seen).toMatchObject({
      name: 'redis-writes',
      status: 'warn',
    });
    expect(await of('')).toMatchObject({ name: 'redis-writes', status: 'ok' });
    await database.stop();
  });
});

it('doctor advises to empty a scratch database only if the protected one answers and is another', async () => {
  const [database, other] = [await startTestDatabase(), await startTestDatabase()];
  await database.redis.set('somebodys', 'data');
  const scratch = await startUpstashRedis({ redisUrl: database.url, token: 'right' });
  const primary = await startUpstashRedis({ redisUrl: other.url, token: 'right' });
  const drill = { DRILL_REDIS_REST_URL: scratch.url, DRILL_REDIS_REST_TOKEN: 'right' };
  expect((await told('drill', drill))?.hint).toContain('do not empty it');
  const both = { ...drill, UPSTASH_REDIS_REST_URL: primary.url, UPSTASH_REDIS_REST_TOKEN: 'right' };
  expect(await told('drill', both)).toMatchObject({ status: 'warn', hint: expect.stringMatching(/^Empty it/) });
  await Promise.all([scratch.stop(), primary.stop()]);
  await Promise.all([database.stop(), other.stop()]);
});
