import { rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { TESTS_FOLDER } from './global-setup.js';

/** Removes the folder that the setup made, and nothing else. */
export default async function globalTeardown() {
  const folder = process.env.TMPDIR ?? '';
  if (basename(folder).startsWith(TESTS_FOLDER)) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
