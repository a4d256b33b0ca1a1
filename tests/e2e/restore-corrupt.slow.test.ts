import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import type { Dump } from '../support/dumps.js';
import type { RunView } from './nightly-stack.js';
import { restoreStack, type RestoreStack } from './restore-stack.js';

const SIZE = { items: 40, mixed: 100 };
const SMALL_PARTS = { BACKUP_PART_MIB: '0.1' };

let bench: RestoreStack;
let snapshot: string;
let wrong: Dump;
/** The stored parts, as they were written, by their whole names. */
let parts: Map<string, Buffer>;

const pathOf = (name: string): string => join(fileURLToPath(bench.stack.env['BACKUP_STORE'] ?? ''), name);
/** Where another database's snapshot is restored, the request says so. */
const everything = () => ({ snapshot, scope: { all: true }, confirm: snapshot, fromSource: true });

const withParts = (variables: Readonly<Record<string, string>> = {}) =>
  restoreStack(SIZE, { variables: { ...SMALL_PARTS, ...variables } });

async function takeSnapshot(): Promise<void> {
  snapshot = await bench.snapshot();
  const names = (await bench.objects(`snapshots/${snapshot}/`)).filter((name) => name.includes('/part-'));
  expect(names.length).toBeGreaterThan(4);
  parts = new Map(await Promise.all(names.map(async (name) => [name, await readFile(pathOf(name))] as const)));
}

async function loseEverything(): Promise<void> {
  await bench.redis.flushall();
  await bench.redis.set('wrong', 'value');
  wrong = await bench.dump();
}

async function open(): Promise<void> {
  bench = await withParts();
  await takeSnapshot();
  await loseEverything();
}

/** Starts a restore of everything that must end before its first write. */
async function refusedRun(): Promise<RunView> {
  const writes = bench.stack.redis.writeCommandCount();
  const run = await bench.restore(everything());
  expect(run.state).toBe('failed');
  expect(bench.stack.redis.writeCommandCount()).toBe(writes);
  expect(await bench.dump()).toEqual(wrong);
  expect(await bench.leftovers(run.runId)).toEqual([]);
  return run;
}

describe('a part that is not as it was written', () => {
  let subject: string;
  let bytes: Buffer;

  beforeAll(async () => {
    await open();
    [subject, bytes] = [...parts][2] ?? ['', Buffer.alloc(0)];
  });
  afterEach(() => writeFile(pathOf(subject), bytes));
  afterAll(() => bench.stop());

  it.each([
    ['altered', 'part-altered', () => writeFile(pathOf(subject), flipped(bytes))],
    ['altered at its end', 'part-altered', () => writeFile(pathOf(subject), flipped(bytes, bytes.length - 1))],
  ])('ends the run before anything is written: %s', async (_, code, damage) => {
    await damage();
    const run = await refusedRun();
    expect(run.error).toMatchObject({ code: 'damaged', hint: expect.stringContaining('another snapshot') as unknown });
    expect(run.error?.message).toContain(`${code} ${subject}`);
    expect(run.error?.message).toContain('Nothing was written');
    expect(run.result).toMatchObject({ findings: [{ code, subject }] });
  });

  it.each([
    ['cut short', () => writeFile(pathOf(subject), bytes.subarray(0, -9))],
    ['of another place', () => writeFile(pathOf(subject), [...parts.values()][1] ?? '')],
    ['missing', () => rm(pathOf(subject))],
  ])('is refused at the door where the listing shows it: %s', async (_, damage) => {
    await damage();
    const runs = await bench.objects('runs/');
    const answer = await bench.send(everything());
    expect([answer.status, await answer.json()]).toEqual([
      412,
      expect.objectContaining({
        code: 'not-restorable',
        detail: expect.stringMatching(/^1 of the \d+ parts of snapshot .* are not in the store/) as unknown,
      }),
    ]);
    expect(await bench.objects('runs/')).toEqual(runs);
    expect(await bench.dump()).toEqual(wrong);
  });

  it('leaves nobody waiting: the next restore begins at once', async () => {
    await writeFile(pathOf(subject), flipped(bytes));
    await refusedRun();
    await writeFile(pathOf(subject), bytes);
    expect(await bench.restore(everything())).toMatchObject({ state: 'succeeded', error: null });
    const { keys, onlyInRedis, onlyInSnapshot } = await bench.compare(snapshot);
    expect({ onlyInRedis, onlyInSnapshot }).toEqual({ onlyInRedis: 0, onlyInSnapshot: 0 });
    expect(keys).toBeGreaterThan(Object.keys(wrong).length);
  });
});

describe('a manifest that is not as it was written', () => {
  let manifest: string;

  beforeAll(async () => {
    await open();
    manifest = await readFile(pathOf(`snapshots/${snapshot}/manifest.json`), 'utf8');
  });
  afterAll(() => bench.stop());

  it('is refused at the door, and so is a snapshot that is not there', async () => {
    const [first = ''] = parts.keys();
    const file = first.split('/').at(-1) ?? '';
    await writeFile(pathOf(`snapshots/${snapshot}/manifest.json`), manifest.replace(file, file.replace('0', '1')));
    const runs = await bench.objects('runs/');
    const altered = await bench.send(everything());
    expect([altered.status, await altered.json()]).toEqual([422, expect.objectContaining({ code: 'damaged' })]);
    await rm(pathOf(`snapshots/${snapshot}/manifest.json`));
    const gone = await bench.send(everything());
    expect([gone.status, await gone.json()]).toEqual([404, expect.objectContaining({ code: 'not-found' })]);
    expect(await bench.objects('runs/')).toEqual(runs);
    expect(await bench.objects('webhooks/')).toEqual([]);
    expect(await bench.dump()).toEqual(wrong);
  });
});

describe('parts that are encrypted to somebody else', () => {
  let writer: RestoreStack;
  let identity: string;

  beforeAll(async () => {
    const theirs = await generateIdentity();
    identity = await generateIdentity();
    writer = await withParts({ BACKUP_AGE_RECIPIENTS: await identityToRecipient(theirs) });
    bench = writer;
    await takeSnapshot();
    const { BACKUP_STORE = '', BACKUP_SIGNING_KEY = '' } = writer.stack.env;
    bench = await withParts({ BACKUP_STORE, BACKUP_SIGNING_KEY, BACKUP_AGE_IDENTITY: identity });
    await loseEverything();
  });
  afterAll(async () => {
    await bench.stop();
    await writer.stop();
  });

  it('are refused at the door, with the code and without the key', async () => {
    const [runs, writes] = [await bench.objects('runs/'), bench.stack.redis.writeCommandCount()];
    for (const dryRun of [true, false]) {
      const answer = await bench.send({ ...everything(), dryRun });
      const text = await answer.text();
      expect([answer.status, JSON.parse(text)]).toEqual([422, expect.objectContaining({ code: 'wrong-key' })]);
      expect(text).not.toContain(identity);
    }
    expect(await bench.objects('runs/')).toEqual(runs);
    expect(bench.stack.redis.writeCommandCount()).toBe(writes);
    expect(await bench.dump()).toEqual(wrong);
  });

  it('end the run before anything is written when the part that the door opens tells nothing of it', async () => {
    // What is altered is told of by the run, with all others, so the door lets it pass.
    const sizes = await Promise.all(
      [...parts.keys()].map(async (name) => [(await stat(pathOf(name))).size, name] as const),
    );
    const [[, smallest] = [0, '']] = sizes.sort(([a], [b]) => a - b);
    await writeFile(pathOf(smallest), flipped(await readFile(pathOf(smallest))));
    const run = await refusedRun();
    expect(run.error?.code).toBe('wrong-key');
    expect(run.error?.message).toMatch(new RegExp(`snapshots/${snapshot}/part-\\d{5}-\\d{5}\\.jsonl\\.gz\\.age`));
  });

  it('keep nobody waiting: a snapshot can be taken at once', async () => {
    expect(await bench.snapshot()).not.toBe(snapshot);
  });
});

function flipped(bytes: Buffer, at = bytes.length >> 1): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
  return copy;
}
