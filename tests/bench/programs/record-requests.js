import { createWriteStream } from 'node:fs';
import { startFaultProxy } from '../../../dist/dev/fault-proxy.js';

/**
 * Puts a proxy before the database that writes the requests to a file, a line each: the path, a tab, and the JSON body
 * (which can hold neither tab nor line end).
 *
 * @param {string} target the database's REST URL
 * @param {string} file
 * @param {() => boolean | Promise<boolean>} [wanted] asked with each request, whether it is to be written down
 */
export async function recordRequests(target, file, wanted = () => true) {
  const lines = createWriteStream(file);
  const proxy = await startFaultProxy({
    target,
    rule: async ({ path, body }) => {
      if (await wanted()) lines.write(`${path}\t${body.toString('utf8')}\n`);
      return 'pass';
    },
  });
  const stop = async () => {
    await proxy.stop();
    await new Promise((resolve) => lines.end(resolve));
  };
  return { url: proxy.url, stop };
}
