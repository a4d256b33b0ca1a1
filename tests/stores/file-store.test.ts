import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, afterAll, beforeAll } from '@jest/globals';
import type { ObjectStore } from '../../lib/ports/store.js';
import { systemClock } from '../../lib/services/clock.js';
import { fileStore } from '../../lib/stores/file/store.js';
import { collect, objectStoreContract } from '../contracts/object-store.js';
import { retryingStore } from '../../lib/stores/retrying.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'file-store-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const bytes = (text: string) => Buffer.from(text);
const temporary = () => join(folder, '@work', 'temporary');

describe('the content of the folder', () => {
  it('is one plain file per object, readable by its owner only, with its SHA-256 as the etag', async () => {
    const made = await fileStore({ folder }).create('runs/1/run.json', bytes('{}'));
    expect(made).toEqual({ created: true, etag: createHash('sha256').update('{}').digest('hex') });
    expect(await readFile(join(folder, 'runs/1/run.json'), 'utf8')).toBe('{}');
    expect((await stat(join(folder, 'runs/1/run.json'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, 'runs/1'))).mode & 0o777).toBe(0o700);
    expect(await readdir(temporary())).toEqual([]);
  });

  it('is listed without anything but objects', async () => {
    const store = fileStore({ folder });
    await store.create('a/1', bytes('x'));
    await mkdir(join(folder, 'empty/below'), { recursive: true });
    await mkdir(join(folder, 'no name'));
    await writeFile(join(folder, 'no name/1'), 'x');
    await writeFile(join(folder, 'a', '1~'), 'x');
    await symlink('/etc/hostname', join(folder, 'a', 'link'));
    expect((await collect(store.list(''))).map((object) => object.name)).toEqual(['a/1']);
    expect(await collect(store.folders(''))).toEqual(['a']);
  });

  it('loses the folders that a removal leaves empty, and no others', async () => {
    const store = fileStore({ folder });
    await store.create('a/b/c/1', bytes('x'));
    await store.create('a/2', bytes('x'));
    await store.remove('a/b/c/1');
    expect(await readdir(join(folder, 'a'))).toEqual(['2']);
  });

  it('is not empty but unavailable where the folder is a file, or below one', async () => {
    await writeFile(join(folder, 'file'), 'x');
    for (const path of ['file', 'file/below']) {
      const store = fileStore({ folder: join(folder, path) });
      const calls = [
        () => store.read('a/1'),
        () => collect(store.list('')),
        () => collect(store.folders('')),
        () => store.create('a/1', bytes('x')),
        () => store.swap('a/1', bytes('x'), 'etag'),
      ];
      for (const call of calls) {
        await expect(call()).rejects.toMatchObject({
          code: 'store-unavailable',
          message: expect.stringMatching(new RegExp(`${path} is not a folder`)) as unknown,
        });
      }
    }
  });

  it('cannot have one name for an object and a folder: the error says so', async () => {
    const store = fileStore({ folder });
    await store.create('a/b', bytes('x'));
    await expect(store.create('a', bytes('x'))).rejects.toMatchObject({ code: 'usage' });
    await expect(store.create('a/b/c', bytes('x'))).rejects.toMatchObject({ code: 'usage' });
    expect(await store.read('a')).toBeNull();
    expect(await store.read('a/b/c')).toBeNull();
    await store.remove('a');
    expect(await store.read('a/b')).not.toBeNull();
  });
});

describe('remains of a dead process', () => {
  it('temporary files are swept after an hour, and never listed', async () => {
    await mkdir(temporary(), { recursive: true });
    const now = Date.now();
    for (const [name, age] of [
      ['old', 3_700_000],
      ['young', 3_500_000],
    ] as const) {
      await writeFile(join(temporary(), name), 'half');
      await utimes(join(temporary(), name), new Date(now - age), new Date(now - age));
    }
    const store = fileStore({ folder, clock: { ...systemClock(), now: () => now } });
    expect(await collect(store.list(''))).toEqual([]);
    await store.create('a', bytes('x'));
    expect(await readdir(temporary())).toEqual(['young']);
    expect((await collect(store.list(''))).map((object) => object.name)).toEqual(['a']);
  });

  it('a lock that is not renewed is taken over', async () => {
    const store = fileStore({ folder });
    const made = await store.create('lease', bytes('one'));
    if (!made.created) throw new Error('not created');
    const lock = createHash('sha256').update('lease').digest('hex').slice(0, 32);
    await mkdir(join(folder, '@work', 'locks', lock), { recursive: true });
    const longAgo = new Date(Date.now() - 60_000);
    await utimes(join(folder, '@work', 'locks', lock), longAgo, longAgo);
    expect(await store.swap('lease', bytes('two'), made.etag)).not.toBeNull();
    expect(await readdir(join(folder, '@work', 'locks'))).toEqual([]);
  });

  it('other processes wait for a held lock, and then fail with its name', async () => {
    const held = createHash('sha256').update('lease').digest('hex').slice(0, 32);
    await mkdir(join(folder, '@work', 'locks', held), { recursive: true });
    let waits = 0;
    const sleep = () => {
      waits++;
      return Promise.resolve();
    };
    const store = fileStore({ folder, clock: { ...systemClock(), sleep } });
    await expect(store.remove('lease')).rejects.toMatchObject({ code: 'store-unavailable', transient: true });
    expect(waits).toBeGreaterThan(100);
  });
});

it('a write names the folder that is in the place of its object', async () => {
  const store = fileStore({ folder });
  const path = join(folder, 'leases/database.json');
  await mkdir(path, { recursive: true });
  expect(await store.read('leases/database.json')).toBeNull();
  expect(await store.swap('leases/database.json', Buffer.from('x'), 'etag')).toBeNull();
  await expect(store.create('leases/database.json', Buffer.from('x'))).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining(path) as unknown,
    hint: expect.stringContaining(`mv '${path}' /tmp`) as unknown,
  });
});

it.each<[string, (store: ObjectStore) => Promise<unknown>]>([
  ['read', (store) => store.read('none')],
  ['list', (store) => collect(store.list('none/'))],
  ['folders', (store) => collect(store.folders('none/'))],
  ['remove', (store) => store.remove('none')],
])('lets pending callbacks run, however often it is called: %s', async (_, ask) => {
  const store = fileStore({ folder });
  let turns = 0;
  setImmediate(() => (turns += 1));
  for (let asked = 0; asked < 3; asked++) await ask(store);
  expect(turns).toBe(1);
});

describe('an object store', () => {
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
});
