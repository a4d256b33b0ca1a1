import { createWriteStream } from 'node:fs';

/**
 * Writes the requests that go through the built-in fetch to a file, a line each: the path, a tab, and the JSON body
 * (which can hold neither tab nor line end). The function it returns ends that.
 */
export function recordRequests(/** @type {string} */ file) {
  const original = globalThis.fetch;
  const lines = createWriteStream(file);
  globalThis.fetch = (url, options) => {
    lines.write(`${new URL(String(url)).pathname}\t${String(options?.body)}\n`);
    return original(url, options);
  };
  return async () => {
    globalThis.fetch = original;
    await new Promise((resolve) => lines.end(resolve));
  };
}
