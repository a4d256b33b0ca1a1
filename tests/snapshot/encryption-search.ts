import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** Where words can be read in a folder store: `word in object`, whatever form it stands in there. */
export async function readableWords(folder: string, words: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const file of files.filter((entry) => entry.isFile())) {
    const path = join(file.parentPath, file.name);
    const bytes = await readFile(path);
    const texts = [bytes, unzipped(bytes)].map((each) => each.toString('latin1'));
    for (const word of words) {
      const forms = [word, Buffer.from(word).toString('hex'), ...base64Forms(word)];
      if (forms.some((form) => texts.some((text) => text.includes(form))))
        found.push(`${word} in ${relative(folder, path)}`);
    }
  }
  return found;
}

function unzipped(bytes: Buffer): Buffer {
  try {
    return gunzipSync(bytes);
  } catch {
    return Buffer.alloc(0);
  }
}

/** How a word shows in base64, wherever in a group of three bytes it begins. */
function base64Forms(word: string): string[] {
  return [0, 1, 2].map((shift) => {
    const encoded = Buffer.from('x'.repeat(shift) + word).toString('base64');
    return encoded.slice(Math.ceil((shift * 4) / 3) + 1, -4);
  });
}
