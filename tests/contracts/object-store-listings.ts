import { expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import pMap from 'p-map';
import type { ObjectStore, StoredObject } from '../../lib/ports/store.js';

/** All items of a listing, as an array. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const namesOf = async (items: AsyncIterable<StoredObject>) => (await collect(items)).map((object) => object.name);
const bytes = (text: string) => Buffer.from(text);

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
