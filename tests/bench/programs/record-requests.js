import { createWriteStream } from 'node:fs';

/**
 * Writes the requests that go through the built-in fetch to a file, a line each: the path, a tab, and the JSON body
 * (which can hold neither tab nor line end). The function it returns ends that, and tells the largest number that was
 * under way at a time.
 */
export function recordRequests(/** @type {string} */ file) {
  const original = globalThis.fetch;
  const lines = createWriteStream(file);
  let open = 0;
  let inFlight = 0;
  globalThis.fetch = async (url, options) => {
    lines.write(`${new URL(String(url)).pathname}\t${String(options?.body)}\n`);
    inFlight = Math.max(inFlight, ++open);
    try {
      return await original(url, options);
    } finally {
      open -= 1;
    }
  };
  return async () => {
    globalThis.fetch = original;
    await new Promise((resolve) => lines.end(resolve));
    return { inFlight };
  };
}
