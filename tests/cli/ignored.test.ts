import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { copyOf, goodStore, put, startDatabase, type Database, type OddStore } from '../control/odd-store.js';
import { cli, cliJson } from './fixture.js';

let database: Database;
let good: OddStore;
let store: OddStore;
beforeAll(async () => {
  database = await startDatabase();
  good = await goodStore(database, true);
  store = await copyOf(good);
});
afterAll(async () => {
  await store.stop();
  await good.stop();
  await database.stop();
});

it('ignored control objects give one warning, and are listed in the document', async () => {
  // Of the last week, which is what a status reads.
  const day = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10).replaceAll('-', '');
  const runs = Array.from({ length: 12 }, (_, at) => `runs/${day}T0000${at + 10}Z-aaaaaa/run.json`);
  for (const [at, name] of runs.entries()) await put(store, name, at === 0 ? '{"a":' : '{}');
  const said = await cli(['status'], store.env);
  const warnings = said.stderr.split('\n').filter((line) => line.startsWith('warning:'));
  expect(warnings).toEqual([
    expect.stringMatching(
      /^warning: 12 control objects in the store ignored \(11 unsigned, 1 garbled\), the first runs\/\S+; --json lists all$/,
    ),
  ]);
  const { json } = await cliJson(['status'], store.env);
  const named = json['ignoredObjects'] as { object: string; why: string }[];
  expect(named.map(({ object }) => object).sort()).toEqual(runs);
  expect(named).toContainEqual({ object: runs[0], why: 'garbled' });
});
