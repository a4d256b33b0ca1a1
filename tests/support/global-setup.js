import { mkdtemp, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AGE, CHROMIUM, ensurePrograms, JQ, RADOSGW, REDIS_SERVER } from '../../dist/dev/packages.js';

/** What the name of the tests' folder begins with. */
export const TESTS_FOLDER = 'soulcaster-tests-';

const MEMORY = '/dev/shm';
const ROOM_BYTES = 4e9;

/**
 * The tests run against real servers and real tools; this installs those that the machine lacks. What they write goes
 * into one folder, which is removed in the end: in memory where there is room, since they sync files by the thousand.
 */
export default async function globalSetup() {
  await ensurePrograms([REDIS_SERVER, AGE, JQ, RADOSGW, CHROMIUM], (line) => process.stderr.write(`${line}\n`));
  const parent = (await hasRoom(MEMORY)) ? MEMORY : tmpdir();
  process.env.TMPDIR = await mkdtemp(join(parent, TESTS_FOLDER));
}

async function hasRoom(/** @type {string} */ folder) {
  const { bavail, bsize } = await statfs(folder).catch(() => ({ bavail: 0, bsize: 0 }));
  return bavail * bsize >= ROOM_BYTES;
}
