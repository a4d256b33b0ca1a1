import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import { systemClock } from '../../lib/services/clock.js';
import { fileStore } from '../../lib/stores/file/store.js';
import { retryingStore } from '../../lib/stores/retrying.js';
import { objectStoreContract } from '../contracts/object-store.js';

let folder: string;
let opened = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'file-store-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const open = () => Promise.resolve(fileStore({ folder: join(folder, `store-${opened++}`) }));

objectStoreContract('fileStore', open);
objectStoreContract('fileStore with retries', async () => retryingStore(await open(), systemClock()), 1100);
