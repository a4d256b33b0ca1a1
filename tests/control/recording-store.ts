import { gunzipSync } from 'node:zlib';
import { jest } from '@jest/globals';
import type { FileStoreOptions } from '../../lib/stores/file/store.js';
import type { ObjectStore } from '../../lib/ports/store.js';

/** A body as it was given to a store of files, by whatever part of the program. */
export interface Written {
  readonly name: string;
  readonly body: Buffer;
}

const FILE_STORE = '../../lib/stores/file/store.js';

/**
 * Notes whatever is written to any store of files from now on, below all decorators. Modules of lib that write are to be
 * imported afterwards.
 */
export async function recordWrites(): Promise<Written[]> {
  const { fileStore } = await import('../../lib/stores/file/store.js');
  const written: Written[] = [];
  const note = (name: string, body: Uint8Array): void => void written.push({ name, body: Buffer.from(body) });
  jest.unstable_mockModule(FILE_STORE, () => ({
    fileStore(options: FileStoreOptions): ObjectStore {
      const store = fileStore(options);
      return {
        ...store,
        create: (name, body) => (note(name, body), store.create(name, body)),
        swap: (name, body, etag) => (note(name, body), store.swap(name, body, etag)),
      };
    },
  }));
  return written;
}

/** Where words can be read, be it as they are, in hexadecimal digits or in base64: `word in object`, each once. */
export function readableIn(written: readonly Written[], words: readonly string[]): string[] {
  const forms = words.map((word) => [word, [word, Buffer.from(word).toString('hex'), ...base64Forms(word)]] as const);
  const found = written.flatMap(({ name, body }) => {
    const texts = [name, ...textsIn(body)];
    return forms.flatMap(([word, each]) =>
      each.some((form) => texts.some((text) => text.includes(form))) ? [`${word} in ${name}`] : [],
    );
  });
  return [...new Set(found)].sort();
}

function textsIn(body: Buffer): string[] {
  const text = body.toString('latin1');
  try {
    return [text, gunzipSync(body).toString('latin1')];
  } catch {
    return [text];
  }
}

/** How a word shows in base64, wherever in a group of three bytes it begins. */
function base64Forms(word: string): string[] {
  return [0, 1, 2].map((shift) => {
    const encoded = Buffer.from('x'.repeat(shift) + word).toString('base64');
    return encoded.slice(Math.ceil((shift * 4) / 3) + 1, -4);
  });
}
