import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ed25519Signer, generateSigningKey } from '../../lib/crypto/ed25519.js';
import type { ObjectStore, Signer } from '../../lib/ports/index.js';
import { latestIn, selectedIn } from '../support/trust.js';
import { loadManifest, signManifest, type Manifest } from '../../lib/snapshot/manifest.js';
import { readVerification } from '../../lib/snapshot/statements.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };
const UNSIGNED: Signer = { sign: () => null, verify: () => null, accepts: '' };

describe('manifests that were tampered with, in a chain of four', () => {
  let bench: SnapshotBench;
  let chain: Manifest[] = [];
  const signer = ed25519Signer({ ...generateSigningKey() });
  beforeEach(async () => {
    bench = await openSnapshotBench();
    for (let at = 0; at < 20; at++) await bench.database.redis.set(`feedback:p:${at}`, `value ${at}`);
    chain = [];
    for (let at = 0; at < 4; at++)
      chain.push((await bench.takeWhole({ signer, settings: { partBytes: 300, pageBytes: 1 } })).manifest);
  });
  afterEach(() => bench.stop());

  const of = (at: number): Manifest => chain[at] as Manifest;
  const nameOf = (at: number): string => `snapshots/${of(at).id}/manifest.json`;
  const pathOf = (at: number): string => join(bench.folder.folder, nameOf(at));

  /** Changes a manifest; sealed again by `by`, or with its old seal. */
  async function tamper(at: number, change: (manifest: Writable<Manifest>) => void, by?: Signer): Promise<void> {
    const manifest = JSON.parse(await readFile(pathOf(at), 'utf8')) as Writable<Manifest>;
    change(manifest);
    const { seal, ...body } = manifest;
    await writeFile(pathOf(at), by === undefined ? JSON.stringify({ ...body, seal }) : signManifest(body, by));
  }

  async function findingsOf(at: number, as: Signer = signer): Promise<string[]> {
    const run = await bench.verify(of(at).id, { signer: as });
    const { findings } = run.result as { findings: { code: string; subject: string }[] };
    expect(run.state).toBe(findings.length === 0 ? 'succeeded' : 'failed');
    return findings.map(({ code, subject }) => `${code} ${subject}`);
  }

  const stateOf = async (at: number) => (await readVerification(bench.folder.store, of(at).id))?.state;

  it('are linked, and verify before', async () => {
    expect(chain.map(({ previous }) => previous?.id)).toEqual([undefined, of(0).id, of(1).id, of(2).id]);
    for (const at of chain.keys()) expect(await findingsOf(at)).toEqual([]);
    expect(await findingsOf(3, UNSIGNED)).toEqual([]);
  });

  it('in a count', async () => {
    await tamper(3, (manifest) => (manifest.counts = { ...manifest.counts, keys: 21 }));
    expect(await findingsOf(3)).toEqual([`manifest-altered ${nameOf(3)}`, `signature-invalid ${nameOf(3)}`]);
    expect(await stateOf(3)).toBe('damaged');
    expect(await latestIn(bench.folder.store)).toBe(of(2).id);
  });

  it('in the hash of a part', async () => {
    const hide = (manifest: Writable<Manifest>): void => {
      const [first, ...others] = manifest.parts;
      if (first === undefined) throw new Error('no part');
      manifest.parts = [{ ...first, stored: { ...first.stored, sha256: '0'.repeat(64) } }, ...others];
    };
    await tamper(3, hide);
    const part = `snapshots/${of(3).id}/${of(3).parts[0]?.name ?? ''}`;
    expect(await findingsOf(3, UNSIGNED)).toEqual([`manifest-altered ${nameOf(3)}`, `part-altered ${part}`]);
  });

  it('and hashed again without the signing key', async () => {
    await tamper(3, (manifest) => (manifest.counts = { ...manifest.counts, keys: 21 }), UNSIGNED);
    expect(await findingsOf(3)).toEqual([`signature-invalid ${nameOf(3)}`, `counts-differ ${nameOf(3)}`]);
    expect(await findingsOf(3, UNSIGNED)).toEqual([`counts-differ ${nameOf(3)}`]);
    await tamper(1, (manifest) => (manifest.tool = 'other'), UNSIGNED);
    expect(await findingsOf(1, UNSIGNED)).toEqual([`manifest-altered ${nameOf(1)}`]);
    expect(await stateOf(1)).toBe('damaged');
  });

  it('and signed by another key, or not at all', async () => {
    await tamper(3, () => undefined, ed25519Signer({ ...generateSigningKey() }));
    expect(await findingsOf(3)).toEqual([`signature-invalid ${nameOf(3)}`]);
    await tamper(3, () => undefined, UNSIGNED);
    expect(await findingsOf(3)).toEqual([`signature-invalid ${nameOf(3)}`]);
    // A key that does not fit is no damage; it is not believed for that.
    expect(await stateOf(3)).toBe('verified');
    expect(await latestIn(bench.folder.store, { signer })).toBe(of(2).id);
    await tamper(3, () => undefined, signer);
    expect(await findingsOf(3)).toEqual([]);
    expect(await stateOf(3)).toBe('verified');
  });

  it('and removed: verifying the next one reports the removed one, and that the next one is whole', async () => {
    await rm(pathOf(1));
    expect(await findingsOf(3)).toEqual([`snapshot-missing ${of(1).id}`]);
    expect(await stateOf(3)).toBe('verified');
    expect((await bench.verify(of(3).id, { signer })).error).toMatchObject({
      code: 'chain-broken',
      message: `Snapshot ${of(3).id} itself is whole, but others in the store are not: snapshot-missing ${of(1).id}`,
    });
    expect((await bench.verify(of(1).id, { signer })).error?.code).toBe('damaged');
    await tamper(3, () => undefined, UNSIGNED);
    expect((await bench.verify(of(3).id, { signer })).error?.code).toBe('damaged');
    await tamper(3, () => undefined, signer);
    expect(await findingsOf(1)).toEqual([`snapshot-missing ${of(1).id}`, `manifest-missing ${nameOf(1)}`]);
    await expect(selectedIn(bench.folder.store, of(1).id)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('and removed at the newest end: the record of its run reveals it', async () => {
    await rm(pathOf(3));
    expect(await findingsOf(2)).toEqual([`snapshot-missing ${of(3).id}`]);
    expect(await stateOf(2)).toBe('verified');
  });

  it('and removed at the newest end before another is taken, or all removed: the records of their runs reveal it', async () => {
    await rm(pathOf(3));
    const { manifest: next } = await bench.takeWhole({ signer });
    expect(next.previous?.id).toBe(of(2).id);
    chain.push(next);
    expect(await findingsOf(4)).toEqual([`snapshot-missing ${of(3).id}`]);
    for (const at of [0, 1, 2, 4]) await rm(join(bench.folder.folder, 'snapshots', of(at).id), { recursive: true });
    chain.push((await bench.takeWhole({ signer })).manifest);
    expect(await findingsOf(5)).toEqual([0, 1, 2, 3, 4].map((at) => `snapshot-missing ${of(at).id}`));
  });

  it('and deleted with the whole snapshot', async () => {
    await rm(join(bench.folder.folder, 'snapshots', of(2).id), { recursive: true });
    expect(await findingsOf(3)).toEqual([`snapshot-missing ${of(2).id}`]);
    expect(await findingsOf(0)).toEqual([`snapshot-missing ${of(2).id}`]);
  });

  it.each([
    ['nothing', ''],
    ['no JSON', '{"id":'],
    ['no manifest', '{"a":1}'],
    ['a list', '[]'],
    ['null', 'null'],
  ])('and hold %s', async (_what, body) => {
    await writeFile(pathOf(3), body);
    const findings = await findingsOf(3);
    expect(findings).toEqual([`manifest-altered ${nameOf(3)}`]);
    expect(await latestIn(bench.folder.store)).toBe(of(2).id);
  });

  it("and hold another snapshot's manifest", async () => {
    await writeFile(pathOf(3), await readFile(pathOf(2)));
    expect(await findingsOf(3)).toEqual([`manifest-altered ${nameOf(3)}`]);
  });

  it('and removed, or replaced by one with a part more, while they are verified', async () => {
    const { store } = bench.folder;
    const meddled = (act: () => Promise<unknown>): ObjectStore => {
      let done = false;
      return {
        ...store,
        async swap(name, body, etag) {
          const swapped = await store.swap(name, body, etag);
          const opened = name.endsWith('/run.json') && /"phase": ?"check"/.test(Buffer.from(body).toString());
          if (opened && !done) await act();
          done ||= opened;
          return swapped;
        },
      };
    };
    const verifiedWith = async (act: () => Promise<unknown>) =>
      (await bench.verify(of(3).id, { store: meddled(act), signer: UNSIGNED })).result as { findings: object[] };
    const longer = () =>
      tamper(3, (manifest) => void (manifest.parts = [...manifest.parts, ...manifest.parts.slice(-1)]), UNSIGNED);
    expect((await verifiedWith(longer)).findings).toMatchObject([{ code: 'manifest-altered', subject: nameOf(3) }]);
    expect(await stateOf(3)).toBe('damaged');
    expect((await verifiedWith(() => rm(pathOf(3)))).findings).toContainEqual(
      expect.objectContaining({ code: 'manifest-missing', subject: nameOf(3) }),
    );
  });

  it('of a newer format give one clear error', async () => {
    await tamper(3, (manifest) => (manifest.formatVersion = 2), signer);
    const { id } = of(3);
    await expect(loadManifest(bench.folder.store, id)).rejects.toMatchObject({ code: 'newer-format' });
    const run = await bench.verify(id, { signer });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'newer-format' } });
    expect(run.error?.message).toBe(`Snapshot ${id} has format 2, newer than 1`);
    expect(await latestIn(bench.folder.store)).toBe(of(2).id);
  });
});
