import { AGE, CHROMIUM, ensurePrograms, JQ, RADOSGW, REDIS_SERVER } from '../../dist/lib/local/packages.js';

/** The tests run against real servers and real tools; this installs those that the machine lacks. */
export default async function globalSetup() {
  await ensurePrograms([REDIS_SERVER, AGE, JQ, RADOSGW, CHROMIUM], (line) => process.stderr.write(`${line}\n`));
}
