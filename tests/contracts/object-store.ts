import { beforeEach, describe, expect, it } from '@jest/globals';
import pMap from 'p-map';
import { AppError } from '../../lib/errors.js';
import { probeConditionalWrites } from '../../lib/health/checks/store.js';
import type { ObjectStore, StoredObject } from '../../lib/ports/store.js';
import { systemClock } from '../../lib/services/clock.js';
import fc from '../support/fast-check.js';

const MB = 1024 * 1024;

const bytes = (text: string) => Buffer.from(text);

/** The contract of lib/ports/store.ts, against a real store. `open` yields an empty one each time it is called; `many` is more than a page of S3 (1,000). */
export function objectStoreContract(name: string, open: () => Promise<ObjectStore>, many = 2500): void {
  describe(`${name}: the contract of an object store`, () => {
    let store: ObjectStore;
    beforeEach(async () => {
      store = await open();
    });
    singleObjects(() => store);
    writers(() => store);
    listings(() => store, many);
    names(() => store);
  });
}

function singleObjects(store: () => ObjectStore): void {
  it.each([0, 1, 4097, 8 * MB])('returns %i bytes exactly', async (size) => {
    const body = Buffer.alloc(size, Buffer.from(Array.from({ length: 251 }, (_, at) => at)));
    const made = await store().create('a/odd', body);
    const read = await store().read('a/odd');
    expect(read?.body.equals(body)).toBe(true);
    expect(made).toEqual({ created: true, etag: read?.etag });
    expect(await collect(store().list(''))).toEqual([
      {
        name: 'a/odd',
        size,
        modifiedAt: expect.any(Number) as unknown as number,
        version: expect.any(String) as unknown as string,
      },
    ]);
  });

  it('finds no object before one is created', async () => {
    expect(await store().read('a/b')).toBeNull();
    expect(await store().swap('a/b', bytes('x'), 'etag')).toBeNull();
    await store().remove('a/b');
    expect(await collect(store().list(''))).toEqual([]);
    expect(await collect(store().folders(''))).toEqual([]);
    expect(await collect(store().folders('a/'))).toEqual([]);
  });

  it('lists an object in another version after every write', async () => {
    const versions: (string | undefined)[] = [];
    const see = async (): Promise<void> => {
      for await (const { version } of store().list('run.json')) versions.push(version);
    };
    let made = await store().create('run.json', bytes('one'));
    await see();
    await see();
    if (!made.created) throw new Error('not created');
    await store().swap('run.json', bytes('two'), made.etag);
    await see();
    await store().remove('run.json');
    made = await store().create('run.json', bytes('six'));
    await see();
    expect(versions[0]).toBe(versions[1]);
    expect(new Set(versions).size).toBe(3);
  });

  it('never overwrites another object by a create, and reports a repeated create of the same bytes as a success', async () => {
    const made = await store().create('once', bytes('mine'));
    expect(await store().create('once', bytes('other'))).toEqual({ created: false });
    expect(await store().create('once', bytes('mine'))).toEqual(made);
    expect((await store().read('once'))?.body.toString()).toBe('mine');
  });

  it('swaps only with the right etag, and reports a repeated swap to the same bytes as a success', async () => {
    const made = await store().create('run.json', bytes('one'));
    if (!made.created) throw new Error('not created');
    const second = await store().swap('run.json', bytes('two'), made.etag);
    expect(second).not.toBe(made.etag);
    expect(await store().swap('run.json', bytes('three'), made.etag)).toBeNull();
    expect(await store().swap('run.json', bytes('two'), made.etag)).toBe(second);
    expect(await store().read('run.json')).toEqual({ body: bytes('two'), etag: second });
  });

  it('removes objects, and frees their names', async () => {
    const made = await store().create('a/b/c', bytes('one'));
    if (!made.created) throw new Error('not created');
    await store().remove('a/b/c');
    await store().remove('a/b/c');
    expect(await store().read('a/b/c')).toBeNull();
    expect(await store().swap('a/b/c', bytes('two'), made.etag)).toBeNull();
    expect(await collect(store().folders(''))).toEqual([]);
    expect((await store().create('a/b/c', bytes('two'))).created).toBe(true);
  });

  it('passes the probe of conditional writes, which leaves no objects', async () => {
    await probeConditionalWrites(store(), systemClock());
    expect(await collect(store().list(''))).toEqual([]);
  });
}

function writers(store: () => ObjectStore): void {
  it('lets exactly one of 20 concurrent creates succeed', async () => {
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, at) => store().create('runs/1/run.json', bytes(`writer ${at}`))),
    );
    const winners = results.flatMap((result, at) => (result.created ? [at] : []));
    expect(winners).toHaveLength(1);
    expect((await store().read('runs/1/run.json'))?.body.toString()).toBe(`writer ${winners[0] ?? -1}`);
  });

  it('loses none of the swaps of 20 writers', async () => {
    await store().create('counter', bytes(JSON.stringify([])));
    await Promise.all(Array.from({ length: 20 }, (_, at) => append(store(), 'counter', at)));
    const seen = JSON.parse((await store().read('counter'))?.body.toString() ?? 'null') as number[];
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, at) => at));
  });

  it('keeps concurrent creates and removes apart', async () => {
    const results = await Promise.all(
      Array.from({ length: 30 }, async (_, at) => {
        const result = await store().create(`x/y/${at % 3}`, bytes(`writer ${at}`));
        if (result.created) await store().remove(`x/y/${at % 3}`);
        return result.created;
      }),
    );
    expect(results.filter(Boolean).length).toBeGreaterThanOrEqual(3);
    expect(await collect(store().list(''))).toEqual([]);
    expect(await collect(store().folders(''))).toEqual([]);
  });
}

async function append(store: ObjectStore, name: string, item: number): Promise<void> {
  for (;;) {
    const found = await store.read(name);
    const items = JSON.parse(found?.body.toString() ?? 'null') as number[];
    if (found === null || items.includes(item)) return;
    const swapped = await store.swap(name, bytes(JSON.stringify([...items, item])), found.etag).catch(unlessTransient);
    if (swapped !== null) return;
  }
}

/** Under contention a store may refuse temporarily; only a read shows whether it wrote anyway. */
function unlessTransient(error: unknown): null {
  if (error instanceof AppError && error.transient) return null;
  throw error;
}

function names(store: () => ObjectStore): void {
  it.each([
    '',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    'a/../b',
    '../a',
    './a',
    'a/.',
    'a b',
    'ä',
    'a\\b',
    'a\0',
    'a\n',
    'x'.repeat(201),
  ])('refuses the name %j', async (name) => {
    const refused = { name: 'AppError', code: 'usage' };
    await expect(store().read(name)).rejects.toMatchObject(refused);
    await expect(store().create(name, bytes('x'))).rejects.toMatchObject(refused);
    await expect(store().swap(name, bytes('x'), 'etag')).rejects.toMatchObject(refused);
    await expect(store().remove(name)).rejects.toMatchObject(refused);
  });

  it.each(['/', '../', 'a//', 'a/../b', '%', './x'])('refuses the prefix %j', async (prefix) => {
    await expect(async () => collect(store().list(prefix))).rejects.toMatchObject({ code: 'usage' });
    await expect(async () => collect(store().folders(prefix))).rejects.toMatchObject({ code: 'usage' });
  });

  it('requires whole segments for the listing of folders', async () => {
    await expect(async () => collect(store().folders('a'))).rejects.toMatchObject({ code: 'usage' });
  });
}

/** All items of a listing, as an array. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const namesOf = async (items: AsyncIterable<StoredObject>) => (await collect(items)).map((object) => object.name);

async function put(store: ObjectStore, ...names: string[]): Promise<void> {
  await pMap(names, (name) => store.create(name, bytes(`body of ${name}`)), { concurrency: 16 });
}

/** The part of the contract about `list` and `folders`. */
export function listings(store: () => ObjectStore, many: number): void {
  it('lists by prefix where names are prefixes of other names', async () => {
    await put(store(), 'run/1', 'run/10/a', 'run/1-b', 'run/1.c', 'run/2', 'runs/1', 'run-x/1', 'ru');
    expect(await namesOf(store().list(''))).toEqual(
      ['ru', 'run-x/1', 'run/1', 'run/1-b', 'run/1.c', 'run/10/a', 'run/2', 'runs/1'], // prettier-ignore
    );
    expect(await namesOf(store().list('run/1'))).toEqual(['run/1', 'run/1-b', 'run/1.c', 'run/10/a']);
    expect(await namesOf(store().list('run/1/'))).toEqual([]);
    expect(await namesOf(store().list('run'))).toHaveLength(7);
    expect(await namesOf(store().list('nothing/here'))).toEqual([]);
    expect(await collect(store().folders(''))).toEqual(['run', 'run-x', 'runs']);
    expect(await collect(store().folders('run/'))).toEqual(['10']);
  });

  it(`pages through ${many} objects and as many folders`, async () => {
    const all = Array.from({ length: many }, (_, at) => `many/${String(at * 7).padStart(6, '0')}/part`);
    await put(store(), ...all);
    expect(await namesOf(store().list('many/'))).toEqual(all);
    expect(await collect(store().folders('many/'))).toEqual(all.map((name) => name.split('/')[1]));
    const [first] = await collect(takeOne(store().list('many/001')));
    expect(first?.name).toBe(all.find((name) => name >= 'many/001'));
  });

  it('orders all names by their bytes', async () => {
    const segment = fc.string({
      unit: fc.constantFrom('A', 'a', 'z', '0', '9', '.', '_', '-'),
      minLength: 1,
      maxLength: 3,
    });
    const name = fc.array(
      segment.filter((text) => !/^\.{1,2}$/.test(text)),
      { minLength: 1, maxLength: 3 },
    );
    let round = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(name, { minLength: 1, maxLength: 12, selector: (it) => it.join('/') }),
        async (paths) => {
          const root = `round-${round++}/`;
          const all = withoutClashes(paths.map((path) => `${root}${path.join('/')}`));
          await put(store(), ...all);
          const inOrder = [...all].sort((a, b) => Buffer.compare(bytes(a), bytes(b)));
          expect(await namesOf(store().list(root))).toEqual(inOrder);
          const heads = all.filter((it) => it.slice(root.length).includes('/')).map((it) => it.split('/')[1] ?? '');
          expect(await collect(store().folders(root))).toEqual([...new Set(heads)].sort());
        },
      ),
      { numRuns: 25 },
    );
  });
}

/** A folder store cannot hold both `a` and `a/b`; no part of the program names objects so. */
function withoutClashes(all: readonly string[]): string[] {
  return all.filter((name) => !all.some((other) => other.startsWith(`${name}/`)));
}

async function* takeOne<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  for await (const item of items) {
    yield item;
    return;
  }
}
