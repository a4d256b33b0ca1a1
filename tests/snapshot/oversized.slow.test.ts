import { describe, expect, it } from '@jest/globals';
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync, createGzip } from 'node:zlib';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { checkPart } from '../../lib/snapshot/check-part.js';
import { loadManifest, sha256, type Part } from '../../lib/snapshot/manifest.js';
import { partName } from '../../lib/snapshot/names.js';
import { OversizedPart, partLines } from '../../lib/snapshot/source-records.js';
import { folderStore } from '../support/folder-store.js';

const MIB = 1024 * 1024;
const ID = '20261122T020000Z-aaaaaa';

/** Zeros that unpack to this many MiB, without a line end. */
async function bomb(mib: number): Promise<Buffer> {
  const gzip = createGzip({ level: 9 });
  const chunks: Buffer[] = [];
  gzip.on('data', (chunk: Buffer) => chunks.push(chunk));
  const block = Buffer.alloc(MIB);
  for (let at = 0; at < mib; at++) await new Promise((resolve) => gzip.write(block, resolve));
  await new Promise((resolve) => gzip.end(resolve));
  return Buffer.concat(chunks);
}

async function drain(lines: AsyncIterable<string>): Promise<number> {
  let count = 0;
  for await (const line of lines) count += line.length;
  return count;
}

describe('a part that unpacks to more than it should', () => {
  it('is not unpacked beyond the size in its manifest', async () => {
    const packed = await bomb(300);
    let seen = 0;
    const reading = drain(partLines(packed, 2 * MIB, (chunk) => void (seen += chunk.length)));
    await expect(reading).rejects.toBeInstanceOf(OversizedPart);
    expect(seen).toBeLessThanOrEqual(2 * MIB);
  });

  it('is not held in memory beyond the longest possible line, even if the manifest gives that size', async () => {
    const packed = await bomb(600);
    const before = process.memoryUsage().rss;
    await expect(drain(partLines(packed, 600 * MIB))).rejects.toBeInstanceOf(OversizedPart);
    expect(process.memoryUsage().rss - before).toBeLessThan(160 * MIB);
  });

  it('is read to its end where it has the right size', async () => {
    expect(await drain(partLines(gzipSync('abc\ndef\n'), 8))).toBe(6);
    await expect(drain(partLines(gzipSync('abc\ndef\n'), 7))).rejects.toBeInstanceOf(OversizedPart);
  });

  it('counts as damaged', async () => {
    const folder = await folderStore();
    const body = await bomb(100);
    const part: Part = {
      name: 'part-00000-00001.jsonl.gz',
      keys: 1,
      lines: 1,
      plain: { bytes: 1000, sha256: 'none' },
      stored: { bytes: body.length, sha256: sha256(body) },
    };
    await folder.store.create(partName(ID, part.name), body);
    const encryptor = ageEncryptor({ recipients: [], identity: null });
    const { findings } = await checkPart({ store: folder.store, encryptor }, ID, part, [part]);
    expect(findings).toEqual([
      {
        code: 'part-contents',
        subject: partName(ID, part.name),
        detail: 'it unpacks to more than 1000 bytes, and was not read further',
      },
    ]);
    await folder.remove();
  });

  it('is not read at all where no object of that name can be so large', async () => {
    const folder = await folderStore();
    const name = `snapshots/${ID}/manifest.json`;
    await folder.store.create(name, Buffer.from('{}'));
    await truncate(join(folder.folder, name), 2 ** 31);
    const found = await folder.store.read(name);
    expect(found?.body.length).toBe(0);
    await expect(loadManifest(folder.store, ID)).rejects.toMatchObject({ code: 'damaged' });
    expect(await folder.store.swap(name, Buffer.from('{"a":1}'), 'other')).toBeNull();
    expect(await folder.store.swap(name, Buffer.from('{"a":1}'), found?.etag ?? '')).not.toBeNull();
    await folder.remove();
  });
});
