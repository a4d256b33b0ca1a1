import { isUtf8 } from 'node:buffer';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { AppError } from '../errors.js';
import type { ObjectStore, Encryptor } from '../ports/index.js';
import { duplicateLines } from './duplicates.js';
import { sha256, type Manifest } from './manifest.js';
import { partName, suffixOf } from './names.js';
import { decodeLine, endsRecord, startsRecord, type RecordLine } from './record.js';
import { StoredLines, type StoredLine } from './stored-line.js';

/**
 * A record of a snapshot. Most are one line. A big record has further lines, which are read on demand and must be read, if at
 * all, before the next record.
 */
export interface SourceRecord {
  readonly first: RecordLine;
  /** The lines after the first, in order; null when there is only one. */
  readonly rest: AsyncIterable<RecordLine> | null;
  /** The only line in its stored form; absent where it was decoded. */
  readonly stored?: StoredLine;
}

const NOTHING = Buffer.alloc(0);

interface SourcePorts {
  readonly store: ObjectStore;
  readonly encryptor: Encryptor;
}

/**
 * The valid records that begin in one part, in order. The last record may continue in the following parts, which are then
 * read up to its end; lines at the beginning of a part that continue a record belong to the part before. Records that the
 * manifest lists as duplicates are skipped. Throws `damaged` before the first record of a part whose bytes do not match the
 * manifest.
 */
export async function* sourceRecords(
  ports: SourcePorts,
  manifest: Manifest,
  part: number,
): AsyncGenerator<SourceRecord> {
  for await (const batch of sourceBatches(ports, manifest, part)) for (const record of batch) yield record;
}

/**
 * The records of `sourceRecords` in batches that were unpacked together: a turn of the event loop for each record would take longer
 * than the record. Only the last of a batch has a `rest`. `stored`: where possible, values are passed on in their stored form.
 */
export async function* sourceBatches(
  ports: SourcePorts,
  manifest: Manifest,
  part: number,
  form: 'decoded' | 'stored' = 'decoded',
): AsyncGenerator<readonly SourceRecord[]> {
  const skipped = duplicateLines(manifest.doubles, part);
  const lines = new Lines(ports, manifest, part, form === 'stored' ? new StoredLines() : null);
  while (await lines.more()) {
    const batch: SourceRecord[] = [];
    for (let next = lines.take(); next !== null; next = lines.take()) {
      if (next.part !== part) break;
      const { line, stored } = next;
      if (!startsRecord(line) || skipped.has(next.number)) continue;
      const isWhole = endsRecord(line);
      batch.push({ first: line, rest: isWhole ? null : restOf(lines), ...(stored === null ? {} : { stored }) });
      if (!isWhole) break;
    }
    if (batch.length > 0) yield batch;
    if (lines.part !== part) return;
  }
}

async function* restOf(lines: Lines): AsyncGenerator<RecordLine> {
  while (await lines.more()) {
    const next = lines.take();
    if (next === null) continue;
    yield next.line;
    if (endsRecord(next.line)) return;
  }
}

interface NumberedLine {
  readonly line: RecordLine;
  readonly stored: StoredLine | null;
  readonly part: number;
  readonly number: number;
}

/** The lines of a part, and of the following parts up to the end of its last record. */
class Lines {
  private pieces: AsyncGenerator<Buffer> | null = null;
  private piece: Buffer = NOTHING;
  private at = 0;
  private isText = true;
  private number = 0;
  /** Whether the last line that was taken is not the last of its record. */
  private open = false;

  constructor(
    private readonly ports: SourcePorts,
    private readonly manifest: Manifest,
    /** The part of the next line. */
    public part: number,
    private readonly stored: StoredLines | null,
  ) {}

  /** Unpacks more where no line is left; false at the end. */
  async more(): Promise<boolean> {
    while (this.at >= this.piece.length) {
      if (this.part >= this.manifest.parts.length) return false;
      this.pieces ??= await this.openPart();
      const next = await this.pieces.next();
      if (next.done !== true) {
        [this.piece, this.at] = [next.value, 0];
        this.isText = this.stored !== null && isUtf8(this.piece);
        continue;
      }
      if (!this.open) return false;
      this.pieces = null;
      this.number = 0;
      this.part += 1;
    }
    return true;
  }

  /** The next unpacked line; null when none is left. */
  take(): NumberedLine | null {
    const { piece, at } = this;
    if (at >= piece.length) return null;
    const found = piece.indexOf(NEWLINE, at);
    const end = found < 0 ? piece.length : found;
    this.at = end + 1;
    const stored = this.isText ? (this.stored?.read(piece, at, end) ?? null) : null;
    const line = stored?.line ?? decodeLine(piece.toString('utf8', at, end));
    this.open = (this.open || startsRecord(line)) && !endsRecord(line);
    return { line, stored, part: this.part, number: this.number++ };
  }

  private async openPart(): Promise<AsyncGenerator<Buffer>> {
    const compressed = await loadPart(this.ports, this.manifest, this.part);
    return partPieces(compressed, this.manifest.parts[this.part]?.plain.bytes ?? 0);
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
    hint: `Check it with \`npx soulcaster-backup verify ${manifest.id} --env-file .env\`. Restore from another snapshot, or bring the object's older version back.`,
  });
}

const NEWLINE = 0x0a;
/** The longest line that this program writes is one reply of 10 MiB, whose bytes JSON may escape to six times as many. */
const LONGEST_LINE = 64 * 1024 * 1024;

/** A part unpacks to more bytes than it may; the rest is not unpacked. */
export class OversizedPart extends Error {}

/**
 * Unpacks a part into pieces of whole lines, the last of which may lack its line end, and passes every plain byte to `onBytes`.
 * Throws the error of zlib when the part is no gzip or is cut short, and OversizedPart as soon as it unpacks to more than
 * `plainBytes`, the number in its manifest, or to an impossibly long line: a small object must not fill the memory.
 */
async function* partPieces(
  compressed: Uint8Array,
  plainBytes: number,
  onBytes: (chunk: Buffer) => void = () => undefined,
): AsyncGenerator<Buffer> {
  const gunzip = Readable.from([compressed]).pipe(createGunzip({ chunkSize: 256 * 1024 }));
  let open: Buffer[] = [];
  let openBytes = 0;
  let bytes = 0;
  for await (const chunk of gunzip as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > plainBytes) throw new OversizedPart(`more than ${plainBytes} bytes`);
    onBytes(chunk);
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > 0) {
      const from = open.length === 0 ? 0 : chunk.indexOf(NEWLINE) + 1;
      if (from > 0) yield Buffer.concat([...open, chunk.subarray(0, from)]);
      if (end > from) yield chunk.subarray(from, end);
      open = [];
      openBytes = 0;
    }
    if (end === chunk.length) continue;
    open.push(chunk.subarray(end));
    openBytes += chunk.length - end;
    if (openBytes > LONGEST_LINE) throw new OversizedPart('a line without an end');
  }
  if (open.length > 0) yield Buffer.concat(open);
}

/** The lines of a compressed part, without their newlines; otherwise as `partPieces`. */
export async function* partLines(
  compressed: Uint8Array,
  plainBytes: number,
  onBytes?: (chunk: Buffer) => void,
): AsyncGenerator<string> {
  for await (const piece of partPieces(compressed, plainBytes, onBytes)) {
    for (let from = 0; from < piece.length;) {
      const found = piece.indexOf(NEWLINE, from);
      const to = found < 0 ? piece.length : found;
      yield piece.toString('utf8', from, to);
      from = to + 1;
    }
  }
}
