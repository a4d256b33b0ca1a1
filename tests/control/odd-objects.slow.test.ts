import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/services/clock.js';
import { checkGroups } from '../../lib/app/checks.js';
import { guardByHand, prune } from '../../lib/cli/upkeep.js';
import { listSnapshots } from '../../lib/cli/list.js';
import { restore } from '../../lib/cli/restore.js';
import { show } from '../../lib/cli/show.js';
import { status } from '../../lib/cli/status.js';
import { unlock } from '../../lib/cli/unlock.js';
import { verify } from '../../lib/cli/backup.js';
import { connect } from '../../lib/app/connect.js';
import { signControl } from '../../lib/control/signature.js';
import { examine, type CheckResult } from '../../lib/health/doctor.js';
import type { GuardReport } from '../../lib/monitoring/guard/run.js';
import type { StatusReport } from '../../lib/monitoring/status/report.js';
import { showSnapshots } from '../../lib/http/snapshots.js';
import { showStatus } from '../../lib/http/status.js';
import { newId } from '../../lib/runs/ids.js';
import { checkChain } from '../../lib/snapshot/chain.js';
import { sha256 } from '../../lib/snapshot/manifest.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import { contextOf, copyOf, goodStore, HOUR, logTo, objectsUnder, put, startDatabase } from './odd-store.js';
import type { Database, OddStore } from './odd-store.js';
import { STRIDE } from '../support/fast-check.js';

/** What an object may be instead of what it should. Those that are JSON objects are signed where a key is set. */
const WAYS: Readonly<Record<string, string | Buffer>> = {
  empty: '',
  cut: '{"a":',
  'a list': '[]',
  null: 'null',
  binary: Buffer.from([0, 159, 146, 150, 255]),
  'of wrong types': JSON.stringify({
    version: 'x',
    kind: 7,
    state: [],
    holder: 3,
    alerts: {},
    findings: 1,
    tasks: '1',
  }),
  'of an unknown kind': JSON.stringify({
    ...{ version: 1, kind: 'dream', state: 'running', lease: 'database', phase: 'x', tasks: 0, leg: 0, stalls: 0 },
    ...{ fence: 99, input: null, checkpoint: null, progress: { done: 0, total: null, unit: 'keys', bytes: 0 } },
    ...{ result: null, error: null, createdAt: 'x', updatedAt: 'x', finishedAt: null },
  }),
  'of version 99': JSON.stringify({ version: 99, formatVersion: 99 }),
  'of 2 MB': `{"a":"${'x'.repeat(2_000_000)}"}`,
};

const IMPOSSIBLE = ['20269999T999999Z-aaaaaa', '20260230T000000Z-aaaaaa'];
const FOREIGN = [
  'snapshots/README',
  'snapshots/.DS_Store',
  'runs/.DS_Store',
  'leases/notes.txt',
  'drills/README',
  'x/y',
];

interface Names {
  /** Control objects that some use case reads. */
  readonly control: readonly string[];
  readonly lease: string;
  readonly manifest: string;
  /** Read by nothing here, or only beside another object. */
  readonly others: readonly string[];
}

let database: Database;
const good = new Map<boolean, OddStore>();
let store: OddStore;
beforeAll(async () => {
  database = await startDatabase();
  for (const keys of [true, false]) good.set(keys, await goodStore(database, keys));
});
afterEach(async () => {
  await store.stop();
  for (const name of Object.keys(store.env)) Reflect.deleteProperty(process.env, name);
});
afterAll(async () => {
  for (const each of good.values()) await each.stop();
  await database.stop();
});

/** One odd object of each kind, beside the good ones. */
async function makeOdd(keys: boolean, body: string | Buffer): Promise<Names> {
  store = await copyOf(good.get(keys) as OddStore);
  Object.assign(process.env, store.env);
  const now = Date.now();
  const [older, newer, bare] = [newId(now - 2 * HOUR), newId(now + 1000), newId(now - 3 * HOUR)];
  const third = newId(now - 4 * HOUR);
  const host = new URL(store.env['UPSTASH_REDIS_REST_URL'] ?? '').host;
  const names = {
    control: [
      `runs/${older}/run.json`,
      `runs/${newer}/run.json`,
      `drills/${newId(now)}.json`,
      'guard/state.json',
      'guard/sources.json',
      `guard/databases/${sourceOf(host).slice(0, 16)}.json`,
      `pruned/${newId(now - 48 * HOUR)}.json`,
      `snapshots/${third}/verification.json`,
    ],
    lease: 'leases/database.json',
    manifest: `snapshots/${bare}/manifest.json`,
    others: [
      `runs/${older}/tasks/check-000000.json`,
      `runs/${older}/parts/part-00000-00001.jsonl.gz.json`,
      'webhooks/msg_1.json',
      'credentials/github-token.json',
      'catalog.json',
      `snapshots/${third}/accepted.json`,
      `snapshots/${third}/adopted.json`,
      ...IMPOSSIBLE.flatMap((id) => [`snapshots/${id}/manifest.json`, `runs/${id}/run.json`, `drills/${id}.json`]),
      ...FOREIGN,
    ],
  };
  const { signer } = connect(store.env, ['signer']);
  // A snapshot whose manifest is as it was, and of which nothing else can be read.
  const whole = [...(await objectsUnder(store, `snapshots/${store.snapshots[0] ?? ''}`))];
  for (const [name, hex] of whole)
    await put(store, name.replace(store.snapshots[0] ?? '', third), Buffer.from(hex, 'hex'));
  const others = body.length > 1_000_000 ? [] : names.others;
  for (const name of [...names.control, names.lease, names.manifest, ...others]) {
    await put(store, name, signedIfItCanBe(signer, name, body));
  }
  return names;
}

function signedIfItCanBe(signer: Parameters<typeof signControl>[0], name: string, body: string | Buffer): Buffer {
  const bytes = Buffer.from(body);
  try {
    return name.startsWith('pruned/') ? bytes : (signControl(signer, name, bytes) ?? bytes);
  } catch {
    return bytes;
  }
}

const goodIds = () =>
  expect.arrayContaining(store.snapshots.map((id) => expect.objectContaining({ id, trust: 'trusted' })));

/** All of them; where a share is asked for every other one with a key, and the rest without. */
const waysTried = (keys: boolean) => Object.entries(WAYS).filter((_, at) => STRIDE === 1 || (at % 2 === 0) === keys);

describe.each([true, false])('odd objects of every kind, with a signing key: %s', (keys) => {
  it.each(waysTried(keys))('stop nothing when they are %s', async (_, body) => {
    const names = await makeOdd(keys, body);
    const before = await objectsUnder(store, 'snapshots');
    const [, newest = ''] = store.snapshots;
    const ports = connect(store.env, ['clock', 'log', 'signer', 'store'], { log: logTo([]) });

    const listed = contextOf(store.env);
    expect(await listSnapshots(listed, { limit: 50 })).toBe(0);
    expect(listed.said()).toMatchObject({ snapshots: goodIds() });
    expect(listed.lines.join('\n')).toContain(names.manifest.split('/')[1]);

    const shown = contextOf(store.env);
    expect(await show(shown, 'latest')).toBe(0);
    expect(shown.said()).toMatchObject({ id: newest, trust: 'trusted' });

    expect((await checkChain(ports)).map(({ subject }) => subject)).toEqual([names.manifest]);

    const verified = contextOf(store.env);
    // The odd manifest is told of as one that was altered, whatever snapshot is looked at; the snapshot itself is whole.
    await verify(verified, 'latest', { local: true });
    expect(verified.said()).toMatchObject({ snapshot: newest, findings: [{ subject: names.manifest }], keys: 20 });

    const tried = contextOf(store.env);
    const options = { mode: 'replace', ttl: 'keep', dryRun: true, safety: true, settle: true, reindex: true } as const;
    expect(await restore(tried, newest, options)).toBe(0);

    const stated = contextOf(store.env);
    expect(await status(stated)).toBe(1);
    const report = stated.said() as StatusReport;
    expect(report).toMatchObject({ state: 'degraded', recoveryPoint: { met: true, newestVerified: { id: newest } } });

    const api = await showSnapshots(ports, new Request('http://localhost/api/snapshots'));
    expect(await api.json()).toMatchObject({ snapshots: goodIds() });
    expect((await showStatus(ports, new Request('http://localhost/api/status'))).status).toBe(503);

    for (const dryRun of [true, false]) {
      const pruned = contextOf(store.env);
      expect(await prune(pruned, { dryRun })).toBe(0);
      expect(pruned.said()).toMatchObject({ snapshots: { removed: 0 } });
    }

    const guarded = contextOf(store.env);
    await guardByHand(guarded, { local: true });
    const { alerts, steps } = guarded.said() as GuardReport;
    expect(steps.filter(({ state }) => state !== 'done')).toEqual([]);
    expect(alerts.map(({ code }) => code)).toEqual(
      expect.arrayContaining(['control-state-ignored', 'lease-unreadable']),
    );
    // Each is named once by a command that meets it.
    const warnings = guarded.lines.filter((line) => line.includes('control-object-ignored'));
    for (const name of names.control) expect(warnings.filter((line) => line.includes(`"${name}"`))).toHaveLength(1);

    // The lease alone keeps a restore waiting; the command that is told ends that.
    const restoring = { ...options, dryRun: false, yes: true, local: true, safety: false };
    await expect(restore(contextOf(store.env), newest, restoring)).rejects.toMatchObject({
      code: 'locked',
      hint: expect.stringContaining('npx soulcaster-backup unlock database --yes --env-file .env') as unknown,
    });
    expect(await unlock(contextOf(store.env), 'database', { yes: true })).toBe(0);
    expect(await restore(contextOf(store.env), newest, restoring)).toBe(0);

    const after = await objectsUnder(store, 'snapshots');
    const changed = [...before].filter(([name, hex]) => after.get(name) !== hex).map(([name]) => name);
    expect(changed.filter((name) => name !== `snapshots/${newest}/verification.json`)).toEqual([]);
    expect(sha256(JSON.stringify([...before.keys()]))).toBe(sha256(JSON.stringify([...after.keys()])));
  });

  it('are reported until they are removed', async () => {
    const { control, lease, manifest, others } = await makeOdd(keys, '{"a":');
    const alertsOf = async (): Promise<string[]> => {
      const guarded = contextOf(store.env);
      await guardByHand(guarded, { local: true });
      return (guarded.said() as GuardReport).alerts.map(({ code, subject }) => `${code} ${subject}`);
    };
    const doctored = (await results()).find(({ name }) => name === 'store-leases');
    expect(doctored).toMatchObject({ status: 'fail', detail: expect.stringContaining(lease) as unknown });
    expect(doctored?.hint).toContain('npx soulcaster-backup unlock database --yes --env-file .env');
    expect(await alertsOf()).toEqual(
      expect.arrayContaining(['control-state-ignored garbled', 'lease-unreadable database']),
    );
    for (const name of [...control, lease, manifest, ...others]) {
      if (name !== 'guard/state.json') await rm(join(store.folder, name), { force: true });
    }
    const stated = contextOf(store.env);
    await status(stated);
    expect((stated.said() as StatusReport).alerts.map(({ code }) => code)).not.toContain('lease-unreadable');
    const left = (await alertsOf()).filter((alert) => /^(control-state|lease-unreadable)/.test(alert));
    expect(left).toEqual([]);
    expect((await results()).find(({ name }) => name === 'store-leases')).toMatchObject({ status: 'ok' });
  });
});

async function results(): Promise<CheckResult[]> {
  const groups = checkGroups(store.env, systemClock()).filter((group) => group.some(({ name }) => name === 'store'));
  const found: CheckResult[] = [];
  for await (const result of examine(systemClock(), groups)) found.push(result);
  return found;
}
