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

/** What a line is to its key: a whole record or its beginning, a continuation, or the word that takes it back. */
export type LineRole = { readonly begins: Buffer; readonly type: RecordType } | 'continues' | 'voids';

/**
 * Writes lines into parts. A part that is cut is compressed, encrypted and stored while the next one fills, two at a time: a store
 * that is slow for once does not hold up reading, and a compressed part takes little memory.
 */
export interface PartSink {
  /** What the parts are sealed with, and the names of keys in the ledger as well. */
  readonly encryptor: Encryptor;
  readonly openBytes: number;
  /** Records begun in the open part. */
  readonly openKeys: number;
  /** What it returns, if anything, is to be awaited for more room: most lines need no turn of the event loop. */
  write(line: FreshLine, role: LineRole): Promise<void> | undefined;
  /** Closes the open part and calls `stored` once it and all before it are in the store. Waits for the part before the last. */
  cut(stored: (part: Part) => Promise<void>): Promise<void>;
  /** Resolves when everything that was cut is stored. */
  flush(): Promise<void>;
}

interface SinkTarget {
  readonly store: ObjectStore;
  readonly encryptor: Encryptor;
  readonly snapshot: string;
  readonly fence: number;
  readonly firstIndex: number;
  /** Tells these parts from others under the same fencing number; absent where nobody else writes under it. */
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
        // What is given up has nothing on its way any more.
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
    createOurs(target.store, partName(target.snapshot, file), body),
    createOurs(target.store, partIndexName(target.snapshot, file), encodeJson(index)),
  ]);
  const { keys, lines, plain } = closed;
  return { name: file, keys, lines, plain, stored: { bytes: body.length, sha256: sha256(body) } };
}

async function createOurs(store: ObjectStore, name: string, body: Uint8Array): Promise<void> {
  const outcome = await store.create(name, body);
  if (outcome.created) return;
  throw new AppError('fenced', `Another attempt has written ${name}`, {
    hint: 'Nothing to do: the run continues with its next attempt.',
  });
}
