import { AppError } from '../../errors.js';
import { encodeJson } from '../../json.js';
import type { ObjectStore, Encryptor } from '../../ports/index.js';
import { sha256, type Part } from '../manifest.js';
import { partFile, partName } from '../names.js';
import { indexBuilder, partIndexName, type IndexBuilder, type PartIndex } from '../part-index.js';
import { openPart, type ClosedPart, type PartWriter } from '../part-writer.js';
import { labelProjects } from '../project-label.js';
import type { RecordType } from '../record.js';
import type { FreshLine } from '../sent-value.js';

/** The role of a line: a whole record or its beginning, a continuation, or the line that voids the record. */
export type LineRole = { readonly begins: Buffer; readonly type: RecordType } | 'continues' | 'voids';

/**
 * Writes lines into parts. A closed part is compressed, encrypted and stored while the next one fills, at most two at a time: a
 * temporarily slow store does not stop reading, and a compressed part takes little memory.
 */
export interface PartSink {
  /** Encrypts the parts and the names of keys in the ledger. */
  readonly encryptor: Encryptor;
  readonly openBytes: number;
  /** Records begun in the open part. */
  readonly openKeys: number;
  /** A returned promise must be awaited before the next write; most lines return none, to save a turn of the event loop. */
  write(line: FreshLine, role: LineRole): Promise<void> | undefined;
  /** Closes the open part and calls `stored` once it and all earlier parts are stored. Waits for the part before the last. */
  cut(stored: (part: Part) => Promise<void>): Promise<void>;
  /** Resolves when all closed parts are stored. */
  flush(): Promise<void>;
}

interface SinkTarget {
  readonly store: ObjectStore;
  readonly encryptor: Encryptor;
  readonly snapshot: string;
  readonly fence: number;
  readonly firstIndex: number;
  /** Distinguishes these parts from others under the same fencing number; absent where there is one writer. */
  readonly writer?: string;
}

export function openSink(target: SinkTarget): PartSink {
  let writer: PartWriter = openPart();
  let index: IndexBuilder = indexBuilder();
  let number = target.firstIndex;
  let before: Promise<void> = Promise.resolve();
  let storing: Promise<void> = Promise.resolve();

  return {
    encryptor: target.encryptor,
    get openBytes() {
      return writer.bytes;
    },
    get openKeys() {
      return writer.keys;
    },
    write(line, role) {
      if (role === 'voids') index.voidRecord();
      else if (role !== 'continues') index.begin(role.begins, role.type, writer.lines);
      return writer.write(line, typeof role === 'object');
    },
    async cut(stored) {
      const closing = writer;
      const built = labelProjects(index.build(), target.encryptor.suffix);
      const file = partFile(number, target.fence, target.encryptor.suffix, target.writer);
      writer = openPart();
      index = indexBuilder();
      number += 1;
      await before;
      const earlier = (before = storing);
      const part = closing.close().then((closed) => storePart(target, file, closed, built));
      storing = earlier.then(
        async () => stored(await part),
        // After a failure of an earlier part, wait for this write before giving up.
        async (error: unknown) => {
          await part.catch(() => undefined);
          throw error;
        },
      );
      part.catch(() => undefined);
      // Awaited by the next cut or by flush; until then a failure must not count as unhandled.
      storing.catch(() => undefined);
    },
    flush: () => storing,
  };
}

async function storePart(target: SinkTarget, file: string, closed: ClosedPart, index: PartIndex): Promise<Part> {
  const body = await target.encryptor.encrypt(closed.compressed);
  await Promise.all([
    createOrFail(target.store, partName(target.snapshot, file), body),
    createOrFail(target.store, partIndexName(target.snapshot, file), encodeJson(index)),
  ]);
  const { keys, lines, plain } = closed;
  return { name: file, keys, lines, plain, stored: { bytes: body.length, sha256: sha256(body) } };
}

async function createOrFail(store: ObjectStore, name: string, body: Uint8Array): Promise<void> {
  const outcome = await store.create(name, body);
  if (outcome.created) return;
  throw new AppError('fenced', `Another attempt has written ${name}`, {
    hint: 'Nothing to do: the run continues with its next attempt.',
  });
}
