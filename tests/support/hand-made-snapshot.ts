import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

export interface HandMade {
  readonly folder: string;
  readonly id: string;
  remove(): Promise<void>;
}

/** Writes a snapshot whose parts hold exactly these records; `lie` may change the manifest before it is written. */
export async function writeSnapshot(
  parts: readonly (readonly object[])[],
  doubles: readonly { part: number; line: number }[] = [],
  lie: (manifest: { parts: { stored: { sha256: string }; lines: number }[] }) => void = () => undefined,
): Promise<HandMade> {
  const folder = await mkdtemp(join(tmpdir(), 'snapshot-'));
  const id = '20261122T020000Z-x7k2m9';
  const home = join(folder, 'snapshots', id);
  await mkdir(home, { recursive: true });
  const described = [];
  for (const [index, records] of parts.entries()) {
    const plain = Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    const stored = gzipSync(plain);
    const name = `part-00000-${String(index).padStart(5, '0')}.jsonl.gz`;
    await writeFile(join(home, name), stored);
    described.push({ name, keys: records.length, lines: records.length, plain: sum(plain), stored: sum(stored) });
  }
  const manifest = { parts: described, doubles };
  lie(manifest);
  await writeFile(join(home, 'manifest.json'), JSON.stringify(manifest));
  return { folder, id, remove: () => rm(folder, { recursive: true, force: true }) };
}

function sum(bytes: Buffer): { bytes: number; sha256: string } {
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}
