import { createHash } from 'node:crypto';
import { AppError } from '../errors.js';
import type { ObjectStore, Encryptor } from '../ports/index.js';
import { sha256, type Part } from './manifest.js';
import { partName, suffixOf } from './names.js';
import { indexBuilder, type PartIndex } from './part-index.js';
import { OversizedPart, partLines } from './source-records.js';
import { labelProjects } from './counts.js';
import { decodeLine, keyOf, startsRecord, type RecordLine } from './record.js';
import type { Json } from '../json.js';
import type { Progress, RunRecord, TaskPhase } from '../runs/model.js';

type FindingCode =
  | 'part-missing'
  | 'part-truncated'
  | 'part-swapped'
  | 'part-altered'
  | 'part-contents'
  | 'index-wrong'
  | 'manifest-missing'
  | 'manifest-altered'
  | 'manifest-refused'
  | 'signature-invalid'
  | 'counts-differ'
  | 'chain-broken'
  | 'snapshot-missing';

/** One fault of a snapshot, and the object that has it. A type, not an interface: it is stored as JSON. */
export type Finding = {
  readonly code: FindingCode;
  readonly subject: string;
  readonly detail: string;
};

interface PartCheck {
  readonly findings: readonly Finding[];
  /** The keys of the part; null when it is damaged, or encrypted and no identity is set. */
  readonly index: PartIndex | null;
}

/** Called with every line of a part and its number from 0. */
export type LineObserver = (line: RecordLine, number: number) => void;

/**
 * Reads a part back from the store and compares it with its entry in the manifest (or, before there is one, in the run):
 * the stored bytes and, where they can be decrypted, every line.
 */
export async function checkPart(
  ports: { readonly store: ObjectStore; readonly encryptor: Encryptor },
  snapshot: string,
  part: Part,
  others: readonly Part[],
  onLine: LineObserver = () => undefined,
): Promise<PartCheck> {
  const subject = partName(snapshot, part.name);
  const found = await ports.store.read(subject);
  if (found === null) return damagedPart('part-missing', subject, 'the object is not in the store');
  const stored = sha256(found.body);
  if (stored !== part.stored.sha256) return damagedPart(...describeAltered(subject, found.body, stored, part, others));
  if (suffixOf(part.name) !== '' && !ports.encryptor.canOpen) return { findings: [], index: null };
  const compressed = await ports.encryptor.open(found.body, suffixOf(part.name));
  return checkContents(subject, part, compressed, onLine);
}

async function checkContents(
  subject: string,
  part: Part,
  compressed: Uint8Array,
  onLine: LineObserver,
): Promise<PartCheck> {
  const hash = createHash('sha256');
  const builder = indexBuilder();
  let bytes = 0;
  let lines = 0;
  try {
    const onBytes = (chunk: Buffer): void => {
      bytes += chunk.length;
      hash.update(chunk);
    };
    for await (const text of partLines(compressed, part.plain.bytes, onBytes)) {
      const line = decodeLine(text);
      if (line.void === true) builder.voidRecord();
      else if (startsRecord(line)) builder.begin(keyOf(line), line.t, lines);
      onLine(line, lines);
      lines += 1;
    }
  } catch (error) {
    if (error instanceof AppError) throw error;
    if (error instanceof OversizedPart) {
      return damagedPart('part-contents', subject, `it unpacks to ${error.message}, and was not read further`);
    }
    return damagedPart('part-contents', subject, `line ${lines + 1} cannot be read`);
  }
  if (bytes !== part.plain.bytes || hash.digest('hex') !== part.plain.sha256 || lines !== part.lines) {
    return damagedPart('part-contents', subject, `its ${lines} lines are not the ${part.lines} that were written`);
  }
  return { findings: [], index: labelProjects(builder.build(), suffixOf(part.name)) };
}

function describeAltered(
  subject: string,
  body: Buffer,
  stored: string,
  part: Part,
  others: readonly Part[],
): [FindingCode, string, string] {
  const twin = others.find((other) => other.stored.sha256 === stored);
  if (twin !== undefined) return ['part-swapped', subject, `it holds the bytes of ${twin.name}`];
  const expected = part.stored.bytes;
  if (body.length < expected) return ['part-truncated', subject, `${body.length} of ${expected} bytes are left`];
  return ['part-altered', subject, `its SHA-256 is ${stored}, not ${part.stored.sha256}`];
}

function damagedPart(code: FindingCode, subject: string, detail: string): PartCheck {
  return { findings: [{ code, subject, detail }], index: null };
}

/** Parts read back at a time; a part is held in memory while it is checked. */
const PARTS_AT_A_TIME = 2;
const MESSAGES_AT_A_TIME = 5;

/** The phase that reads a snapshot's parts back, one task per part; used by backups and by verifications. */
export function checkPhase(next: string, task: (run: RunRecord, part: number) => Promise<Json>): TaskPhase {
  return {
    type: 'tasks',
    next,
    inline: PARTS_AT_A_TIME,
    parallelism: MESSAGES_AT_A_TIME,
    task,
    progress: (run, done): Progress => ({ done, total: run.tasks, unit: 'parts', bytes: run.progress.bytes }),
  };
}
