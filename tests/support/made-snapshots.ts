import { ed25519Signer } from '../../lib/crypto/ed25519.js';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { inProcessQueue, drive, silentLog } from '../../lib/app/in-process.js';
import type { Clock, ObjectStore, Signer } from '../../lib/ports/index.js';
import { createEngine } from '../../lib/runs/engine.js';
import { newId } from '../../lib/runs/ids.js';
import { findPreviousLink } from '../../lib/snapshot/catalog.js';
import { checkPart } from '../../lib/snapshot/check-part.js';
import { countIndex, noCounts } from '../../lib/snapshot/counts.js';
import { signManifest, sha256, type ManifestBody, type Part } from '../../lib/snapshot/manifest.js';
import { manifestName, partFile, partName } from '../../lib/snapshot/names.js';
import { openPart } from '../../lib/snapshot/scan/sink.js';
import { unpackIndex } from '../../lib/snapshot/part-index.js';
import type { RecordLine } from '../../lib/snapshot/record.js';
import { startVerify, verifyRun } from '../../lib/snapshot/verify.js';
import { writeVerification } from '../../lib/snapshot/statements.js';

export const UNSIGNED = ed25519Signer({ privateKey: null, publicKey: null });
const SEALER = ageEncryptor({ recipients: [], identity: null });

export interface MadeOptions {
  readonly at: string;
  readonly keys?: number;
  readonly parts?: number;
  /** Fencing number of the attempt that wrote its parts; default 1. */
  readonly fence?: number;
  /** The count that the number is of; default: none is named, as in older snapshots. */
  readonly series?: string;
  readonly signer?: Signer;
  readonly purpose?: 'safety';
  readonly state?: 'complete' | 'incomplete';
  /** Null: none is written. */
  readonly verified?: 'verified' | 'damaged' | null;
  readonly previous?: ManifestBody['previous'];
  readonly source?: string;
  readonly doubts?: ManifestBody['doubts'];
  /** Instead of small strings: the lines of its one part. */
  readonly lines?: readonly RecordLine[];
}

/** Writes a whole snapshot of small strings, as a run would, without a database. Returns its id. */
export async function makeSnapshot(store: ObjectStore, options: MadeOptions): Promise<string> {
  const {
    at,
    lines,
    keys = lines?.length ?? 4,
    parts: count = lines === undefined ? 2 : 1,
    signer = UNSIGNED,
    purpose,
    state = 'complete',
  } = options;
  const id = newId(Date.parse(at));
  const parts: Part[] = [];
  const counts = noCounts();
  for (let number = 0; number < count; number++) {
    const names = Array.from({ length: keys }, (_, key) => key).filter((key) => key % count === number);
    const part = await writePart(
      store,
      id,
      partFile(number, options.fence ?? 1, ''),
      lines ?? names.map((key) => small(id, key)),
    );
    parts.push(part);
    const { index } = await checkPart({ store, encryptor: SEALER }, id, part, parts);
    if (index === null) throw new Error('the part is not as it was written');
    countIndex(counts, unpackIndex(index), new Set());
  }
  const none = { count: 0, keys: [] };
  const time = new Date(at).toISOString();
  const body: ManifestBody = {
    formatVersion: 1,
    id,
    state,
    tool: 'test',
    ...(purpose === undefined ? {} : { purpose }),
    createdAt: time,
    window: { from: time, to: time },
    source: options.source ?? sha256('host'),
    dbsize: { before: keys, after: keys },
    parts,
    counts,
    ledger: { saved: keys, expiredMeanwhile: 0, changedMeanwhile: none, unsupported: none, failed: none },
    doubles: [],
    fieldExpiry: 'none',
    spent: { requests: 0, commands: 0, bytesSent: 0, bytesReceived: 0, estimatedUsd: 0 },
    recipients: [],
    readBackAt: time,
    previous: options.previous === undefined ? await findPreviousLink(store, id) : options.previous,
    ...(options.series === undefined ? {} : { order: { series: options.series, fence: options.fence ?? 1 } }),
    ...(options.doubts === undefined ? {} : { doubts: options.doubts }),
  };
  await store.create(manifestName(id), signManifest(body, signer));
  const { verified = 'verified' } = options;
  if (verified !== null) {
    await writeVerification(store, id, { state: verified, at: time, run: id, depth: 'lines', findings: [] });
  }
  return id;
}

function small(id: string, key: number): RecordLine {
  return { k: `feedback:p:${key}`, t: 'string', v: `${id} ${key}` };
}

async function writePart(store: ObjectStore, id: string, name: string, lines: readonly RecordLine[]): Promise<Part> {
  const writer = openPart();
  for (const line of lines) await writer.write(line, true);
  const { compressed, plain, lines: count } = await writer.close();
  await store.create(partName(id, name), compressed);
  return { name, keys: count, lines: count, plain, stored: { bytes: compressed.length, sha256: sha256(compressed) } };
}

/** What `verify` finds wrong with a snapshot, or with the chain. */
export async function findingsOf(store: ObjectStore, clock: Clock, id: string, signer = UNSIGNED): Promise<string[]> {
  const queue = inProcessQueue();
  const ports = { clock, log: silentLog(), queue, encryptor: SEALER, signer, store };
  const engine = createEngine(ports, [verifyRun(ports)], { attemptTtlMs: 60_000, holdMs: 60_000 });
  const started = await startVerify(engine, id);
  if (!started.started) throw new Error(`held by ${started.holder}`);
  const budget = { deadline: Infinity, lastAttempt: true, interrupt: new AbortController().signal };
  const run = await drive(engine, clock, () => queue.take(), started.run.id, budget);
  const result = run.result as { findings: { code: string; subject: string }[] } | null;
  if (result === null) throw new Error(run.error?.message ?? 'no result');
  return result.findings.map(({ code, subject }) => `${code} ${subject}`);
}
