import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { ed25519Signer } from '../../lib/crypto/ed25519.js';
import type { ErrorCode } from '../../lib/errors.js';
import type { Signer } from '../../lib/ports/index.js';
import { systemClock } from '../../lib/services/clock.js';
import { upstashRedis } from '../../lib/services/upstash-redis/redis.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { manifestName } from '../../lib/snapshot/names.js';
import { writeVerification } from '../../lib/snapshot/statements.js';
import { snapshotWords } from '../../lib/cli/restore/plan-view.js';
import { dryRunResult, restoredResult } from '../../lib/restore/result.js';
import { runSummary } from '../../lib/runs/summary.js';
import { intercept } from '../snapshot/intercept.js';
import { changes, type Dump } from '../support/dumps.js';
import { openRestoreBench, type Ask, type RestoreBench, type RestoreParts } from '../support/restore-bench.js';

describe('a restore is refused before it begins', () => {
  let bench: RestoreBench;
  let snapshot = '';
  let before: Dump = {};
  beforeAll(async () => {
    bench = await openRestoreBench();
    await bench.database.redis.hset('project:p', { id: 'p', user_id: 'u' });
    await bench.database.redis.mset('a', '1', 'b', '2');
    snapshot = (await bench.snapshot()).id;
    await bench.database.redis.set('a', 'changed');
    before = await bench.dump();
  });
  afterAll(() => bench.stop());

  async function refused(code: ErrorCode, id: string, ask: Ask = {}, parts: Partial<RestoreParts> = {}) {
    const [writes, runs] = [bench.writes(), await runsOf(bench)];
    await expect(bench.start(id, ask, parts)).rejects.toMatchObject({ code, hint: expect.stringMatching(/\w{3}/) });
    expect(bench.writes()).toBe(writes);
    expect(await runsOf(bench)).toEqual(runs);
    expect(changes(before, await bench.dump())).toEqual([]);
  }

  it.each(['', 'nonsense', '20000101T000000Z-000000', '../../etc'])('for a snapshot %j', async (id) => {
    await refused('not-found', id, { confirm: id });
  });

  it('without confirmation of replacing everything', async () => {
    for (const confirm of [null, '', 'yes', snapshot.slice(0, -1), `${snapshot} `]) {
      await refused('not-confirmed', snapshot, { confirm });
    }
    await refused('not-confirmed', 'latest', { confirm: 'latest', at: new Date(bench.clock.now()).toISOString() });
  });

  it.each([
    ['a time that is none', { at: 'yesterday' }, 'usage'],
    ['a day that no calendar has', { at: '2026-02-30T00:00:00Z' }, 'usage'],
    ['a time before all snapshots', { at: '2001-01-01T00:00:00Z' }, 'not-found'],
    ['a target that nobody set', { target: 'nowhere' }, 'usage'],
    ['the database itself as target', { target: 'same' }, 'usage'],
    ['incomplete snapshots in mode replace', { allowIncomplete: true }, 'usage'],
  ] as const)('for %s', async (_name, ask, code) => {
    await refused(code, snapshot, ask, { targets: { same: bench.port } });
  });

  it('into the protected database under another name, before the first write', async () => {
    const other = await startUpstashRedis({ redisUrl: bench.database.url, token: 'same' });
    try {
      const alias = upstashRedis({ url: other.url, token: 'same', clock: systemClock() });
      const run = await bench.restore(snapshot, { target: 'standby' }, { targets: { standby: alias } });
      expect(run).toMatchObject({ state: 'failed', error: { code: 'usage' } });
      expect(run.error?.message).toContain('the protected database under another name');
      expect(changes(before, await bench.dump())).toEqual([]);
    } finally {
      await other.stop();
    }
  });

  it('for an incomplete snapshot, unless it is allowed and nothing is removed', async () => {
    bench.clock.advance(1000);
    const redis = intercept(bench.port, {
      after: (commands, replies) =>
        replies.map((reply, at) => (/^M?GET$/.test(commands[at]?.[0] ?? '') ? { error: 'MISCONF' } : reply)),
    });
    await expect(bench.snapshot({ redis })).rejects.toThrow('incomplete');
    const incomplete = (await runsOf(bench)).at(-1) ?? '';
    for (const mode of ['replace', 'merge', 'missing'] as const) {
      await refused('not-restorable', incomplete, { mode, confirm: incomplete });
    }
    await refused('usage', incomplete, { allowIncomplete: true, confirm: incomplete });
    const run = await bench.restore(incomplete, { allowIncomplete: true, mode: 'missing', dryRun: true });
    expect(run.state).toBe('succeeded');
  });

  it('for a snapshot found damaged, until it is verified again', async () => {
    const { id } = await bench.snapshot();
    const damage = { code: 'part-altered', subject: 'a part', detail: 'somehow' };
    const at = new Date(bench.clock.now()).toISOString();
    const seen = { at, run: id, findings: [damage] };
    await writeVerification(bench.folder.store, id, { state: 'damaged', depth: 'lines', ...seen });
    await refused('not-restorable', id);
    expect((await bench.verify(id)).state).toBe('succeeded');
    expect((await bench.restore(id, { dryRun: true })).state).toBe('succeeded');
  });

  it.each([
    ['newer-format', (text: string) => text.replace('"formatVersion": 1', '"formatVersion": 2')],
    ['damaged', (text: string) => text.replace('"keys": 3', '"keys": 2')],
    ['damaged', (text: string) => text.slice(0, -20)],
    ['damaged', () => 'null'],
  ] as const)('with %s for a manifest that is not as it was written', async (code, alter) => {
    const { id } = await bench.snapshot();
    const found = await bench.folder.store.read(manifestName(id));
    const text = found?.body.toString() ?? '';
    expect(alter(text)).not.toBe(text);
    await bench.folder.store.swap(manifestName(id), Buffer.from(alter(text)), found?.etag ?? '');
    await refused(code, id);
    await bench.folder.store.remove(manifestName(id));
  });

  it('for a manifest that was replaced, with its signature, after the next snapshot', async () => {
    const [first, second] = [await bench.snapshot(), await bench.snapshot()];
    const found = await bench.folder.store.read(manifestName(first.id));
    const forged = Buffer.from(found?.body.toString().replace(/\n?$/, ' ') ?? '');
    await bench.folder.store.swap(manifestName(first.id), forged, found?.etag ?? '');
    await refused('damaged', first.id);
    expect((await bench.restore(second.id, { dryRun: true })).state).toBe('succeeded');
  });

  it('for a snapshot signed with another key, or unsigned', async () => {
    const [own, other] = [signer(), signer()];
    const signed = await bench.snapshot({ signer: own });
    expect((await bench.restore(signed.id, { dryRun: true }, { signer: own })).state).toBe('succeeded');
    await refused('wrong-key', signed.id, {}, { signer: other });
    await refused('wrong-key', snapshot, {}, { signer: own });
  });

  it('for an encrypted snapshot without its identity', async () => {
    const [identity, stranger] = [await generateX25519Identity(), await generateX25519Identity()];
    const recipients = [await identityToRecipient(identity)];
    const { id } = await bench.snapshot({ encryptor: ageEncryptor({ recipients, identity: null }) });
    await refused('wrong-key', id, {}, { encryptor: ageEncryptor({ recipients, identity: null }) });
    await refused('wrong-key', id, { dryRun: true }, { encryptor: ageEncryptor({ recipients, identity: stranger }) });
    expect(
      (await bench.start(id, { dryRun: true }, { encryptor: ageEncryptor({ recipients, identity }) })).started,
    ).toBe(true);
  });
});

function signer(): Signer {
  const { privateKey } = generateKeyPairSync('ed25519');
  return ed25519Signer({ privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), publicKey: null });
}

async function runsOf({ folder }: RestoreBench): Promise<string[]> {
  const ids: string[] = [];
  for await (const id of folder.store.folders('runs/')) ids.push(id);
  return ids;
}

describe('the words for a file', () => {
  const IMPORT = '`npx soulcaster-backup import p.jsonl --env-file .env`';

  let bench: RestoreBench;
  let snapshot = '';
  beforeAll(async () => {
    bench = await openRestoreBench();
    await bench.database.redis.set('a', '1');
    snapshot = (await bench.snapshot()).id;
  });
  afterAll(() => bench.stop());

  it('what a file does not hold is told of the file, since its snapshot is in no store', async () => {
    const parts = { snapshotWords: 'p.jsonl' };
    const nobody = bench.start(snapshot, { scope: { project: 'nobody' } }, parts);
    await expect(nobody).rejects.toMatchObject({
      code: 'not-found',
      message: 'The file p.jsonl holds no project "nobody"',
      hint: expect.stringContaining(IMPORT),
    });
    const scope = { projects: [], families: [], matches: [], keys: ['nothere'] };
    const run = await bench.restore(snapshot, { scope, dryRun: true }, parts);
    expect(run.error?.message).toMatch(/^The file p\.jsonl holds no key/);
    expect(run.error?.hint).toContain(IMPORT);
    expect(run.error?.hint).not.toContain(snapshot);
  });

  it('the run of a file names the file where others name their snapshot', async () => {
    for (const dryRun of [true, false]) {
      const run = await bench.restore(snapshot, { dryRun }, { snapshotWords: 'p.jsonl' });
      const { asked } = runSummary(run);
      expect(asked).toContain('file p.jsonl');
      expect(snapshotWords(restoredResult(run.result) ?? dryRunResult(run.result) ?? nothing())).toBe('file p.jsonl');
      expect(asked).not.toContain(snapshot);
    }
    expect(runSummary(await bench.restore(snapshot)).asked).toContain(`snapshot ${snapshot}`);
  });

  function nothing(): never {
    throw new Error('no result');
  }

  it('what a snapshot does not hold is told of the snapshot', async () => {
    const nobody = bench.start(snapshot, { scope: { project: 'nobody' } });
    await expect(nobody).rejects.toMatchObject({ hint: expect.stringContaining(`show ${snapshot}`) });
  });
});
