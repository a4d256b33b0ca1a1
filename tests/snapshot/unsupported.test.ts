import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { describeEngines } from '../support/describe-engines.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';

await describeEngines('keys of a type that no snapshot can hold', ({ name, program }) => {
  let bench: SnapshotBench;
  let type: string | null = null;
  beforeAll(async () => {
    bench = await openSnapshotBench({ program });
    const { redis } = bench.database;
    await redis.mset('a', '1', 'b', '2', 'c', '3');
    for (const key of ['v1', 'v2', 'v3', 'v4', 'v5', 'v6']) {
      const added = await redis.call('VADD', key, 'VALUES', '2', '0.1', '0.2', 'item').catch(() => null);
      if (added !== null) type = 'vectorset';
    }
  });
  afterAll(() => bench.stop());

  it('are reported, and make the snapshot incomplete unless their type is skipped', async () => {
    if (type === null) {
      // Vector sets came with Redis 8.
      expect(name).not.toMatch(/redis 8/i);
      return;
    }
    const { run, manifest } = await bench.take();
    expect(run).toMatchObject({ state: 'incomplete', result: { keys: 3, unsupported: 6, unexplained: 0 } });
    expect(run.error?.message).toBe('6 keys of type vectorset that no snapshot can hold');
    expect(manifest?.ledger.unsupported).toMatchObject({ count: 6, types: { vectorset: 6 } });
    expect(manifest?.ledger.unsupported.keys.map(({ key }) => key).sort()).toEqual([
      'v1',
      'v2',
      'v3',
      'v4',
      'v5',
      'v6',
    ]);

    const { manifest: accepted } = await bench.takeWhole({ settings: { skipTypes: ['vectorset'] } });
    expect(accepted.ledger.unsupported.count).toBe(6);
  });

  it('keep their names encrypted where parts are', async () => {
    if (type === null) return;
    const identity = await generateX25519Identity();
    const recipients = [await identityToRecipient(identity)];
    const { manifest } = await bench.take({ encryptor: ageEncryptor({ recipients, identity: null }) });
    const { keys } = manifest?.ledger.unsupported ?? { keys: [] };
    expect(keys.map(({ key }) => Object.keys(key))).toEqual(Array.from({ length: 6 }, () => ['age']));
  });
});
