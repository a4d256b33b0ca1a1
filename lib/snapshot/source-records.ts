import { AppError } from '../errors.js';
import type { ObjectStore, Encryptor } from '../ports/index.js';
import { duplicateLines } from './duplicates.js';
import { sha256, type Manifest } from './manifest.js';
import { partName, suffixOf } from './names.js';
import { partLines } from './part-reader.js';
import { decodeLine, endsRecord, startsRecord, type RecordLine } from './record.js';

/**
 * A record of a snapshot. Most are one line. A big one is its first line and the lines that follow, which are read on
 * demand and must be read, if at all, before the next record is asked for.
 */
export interface SourceRecord {
  readonly first: RecordLine;
  /** The lines after the first, in order; null when there is only one. */
  readonly rest: AsyncIterable<RecordLine> | null;
}

interface SourcePorts {
  readonly store: ObjectStore;
  readonly encryptor: Encryptor;
}

/**
 * The records that begin in one part and count, in order. The last one may go on in the parts that follow, which are
 * then read as far as it goes; the lines at a part's beginning that go on from the part before are that part's. What the
 * manifest lists as a double is passed over. Throws `damaged` before the first record of a part whose bytes are not
 * those that the manifest names.
 */
export async function* sourceRecords(
  ports: SourcePorts,
  manifest: Manifest,
  part: number,
): AsyncGenerator<SourceRecord> {
  const passedOver = duplicateLines(manifest.doubles, part);
  const lines = linesFrom(ports, manifest, part);
  for (let next = await lines.next(); !next.done && next.value.part === part; next = await lines.next()) {
    const { line, number } = next.value;
    if (!startsRecord(line)) continue;
    if (passedOver.has(number)) continue;
    yield { first: line, rest: endsRecord(line) ? null : restOf(lines) };
  }
}

interface NumberedLine {
  readonly line: RecordLine;
  readonly part: number;
  readonly number: number;
}

/** A separate generator, since a consumer that stops early would end the one that all records come from. */
async function* restOf(lines: AsyncGenerator<NumberedLine>): AsyncGenerator<RecordLine> {
  for (let next = await lines.next(); !next.done; next = await lines.next()) {
    yield next.value.line;
    if (endsRecord(next.value.line)) return;
  }
}

async function* linesFrom(ports: SourcePorts, manifest: Manifest, first: number): AsyncGenerator<NumberedLine> {
  let open = true;
  for (let part = first; open && part < manifest.parts.length; part++) {
    open &&= part > first;
    let number = 0;
    const compressed = await loadPart(ports, manifest, part);
    for await (const text of partLines(compressed, manifest.parts[part]?.plain.bytes ?? 0)) {
      const line = decodeLine(text);
      open = (open || startsRecord(line)) && !endsRecord(line);
      yield { line, part, number };
      number += 1;
    }
  }
}

async function loadPart({ store, encryptor }: SourcePorts, manifest: Manifest, number: number): Promise<Uint8Array> {
  const part = manifest.parts[number];
  const name = part === undefined ? '' : partName(manifest.id, part.name);
  const found = part === undefined ? null : await store.read(name);
  if (part !== undefined && found !== null && sha256(found.body) === part.stored.sha256) {
    return encryptor.open(found.body, suffixOf(part.name));
  }
  throw new AppError('damaged', `${name} is ${found === null ? 'missing' : 'not as it was written'}`, {
    hint: `See \`npx soulcaster-backup verify ${manifest.id} --env-file .env\`; restore from another snapshot, or bring the object's older version back.`,
  });
}
