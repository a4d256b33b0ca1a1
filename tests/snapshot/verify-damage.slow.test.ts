import { readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { catalogEntry } from '../../lib/snapshot/catalog.js';
import { isGood, latestIn } from '../support/trust.js';
import type { Manifest } from '../../lib/snapshot/manifest.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';

describe('parts that were damaged', () => {
  let bench: SnapshotBench;
  let older = '';
  let manifest: Manifest;
  beforeEach(async () => {
    bench = await openSnapshotBench();
    for (let at = 0; at < 40; at++) await bench.database.redis.set(`feedback:p:${at}`, `value ${at}`);
    older = (await bench.takeWhole()).id;
    ({ manifest } = await bench.takeWhole({ settings: { partBytes: 300, pageBytes: 1 } }));
    expect(await latestIn(bench.folder.store)).toBe(manifest.id);
  });
  afterEach(() => bench.stop());

  const nameOf = (part: number): string => `snapshots/${manifest.id}/${manifest.parts[part]?.name ?? ''}`;
  const pathOf = (part: number): string => join(bench.folder.folder, nameOf(part));

  async function expectFindings(expected: { code: string; subject: string }[]): Promise<void> {
    const run = await bench.verify(manifest.id);
    const { findings } = run.result as { findings: { code: string; subject: string }[] };
    expect(findings.map(({ code, subject }) => ({ code, subject }))).toEqual(expected);
    expect(run).toMatchObject({ state: 'failed', error: { code: 'damaged' } });
    for (const { subject } of expected) expect(run.error?.message).toContain(subject);
    const entry = await catalogEntry(bench.folder.store, manifest.id);
    expect(entry?.verification).toMatchObject({ state: 'damaged', run: run.id, findings });
    expect(entry !== null && isGood(entry)).toBe(false);
    expect(await latestIn(bench.folder.store)).toBe(older);
  }

  it('by one bit, anywhere in the part', async () => {
    const whole = await readFile(pathOf(1));
    for (const at of [0, 3, Math.floor(whole.length / 2), whole.length - 1]) {
      const flipped = Buffer.from(whole);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      await writeFile(pathOf(1), flipped);
      await expectFindings([{ code: 'part-altered', subject: nameOf(1) }]);
    }
    await writeFile(pathOf(1), whole);
    expect((await bench.verify(manifest.id)).state).toBe('succeeded');
    expect(await latestIn(bench.folder.store)).toBe(manifest.id);
  });

  it.each([0, 1, 40])('by being cut to %i bytes', async (left) => {
    await truncate(pathOf(0), left);
    await expectFindings([{ code: 'part-truncated', subject: nameOf(0) }]);
  });

  it('by bytes that follow', async () => {
    await writeFile(pathOf(0), Buffer.concat([await readFile(pathOf(0)), Buffer.alloc(1)]));
    await expectFindings([{ code: 'part-altered', subject: nameOf(0) }]);
  });

  it('by being removed', async () => {
    await rm(pathOf(2));
    await expectFindings([{ code: 'part-missing', subject: nameOf(2) }]);
  });

  it('by swapping places', async () => {
    await rename(pathOf(0), `${pathOf(0)}.aside`);
    await rename(pathOf(1), pathOf(0));
    await rename(`${pathOf(0)}.aside`, pathOf(1));
    await expectFindings([
      { code: 'part-swapped', subject: nameOf(0) },
      { code: 'part-swapped', subject: nameOf(1) },
    ]);
  });

  it('by the bytes of another part, and of another snapshot', async () => {
    await writeFile(pathOf(1), await readFile(pathOf(0)));
    const other = (await catalogEntry(bench.folder.store, older))?.manifest?.parts[0]?.name ?? '';
    await writeFile(pathOf(2), await readFile(join(bench.folder.folder, 'snapshots', older, other)));
    const run = await bench.verify(manifest.id);
    expect(run.result).toMatchObject({
      findings: [
        { code: 'part-swapped', subject: nameOf(1), detail: expect.stringContaining(manifest.parts[0]?.name ?? '-') },
        { code: 'part-altered', subject: nameOf(2) },
      ],
    });
  });

  it('are all reported, and intact ones are not', async () => {
    await rm(pathOf(0));
    await truncate(pathOf(2), 10);
    await expectFindings([
      { code: 'part-missing', subject: nameOf(0) },
      { code: 'part-truncated', subject: nameOf(2) },
    ]);
  });
});
