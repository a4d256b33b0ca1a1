import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { ed25519Signer, generateSigningKey, seedOf } from '../../lib/crypto/ed25519.js';
import { inProcessQueue, silentLog } from '../../lib/app/in-process.js';
import { showRun as showRun } from '../../lib/cli/run.js';
import { connect } from '../../lib/app/connect.js';
import { connectReplica } from '../../lib/app/connect/stores.js';
import { authenticatedStore, ignoredObjectsIn } from '../../lib/control/authenticated-store.js';
import { controlCipher, type ControlCipher, HIDDEN_WORDS } from '../../lib/control/encryption.js';
import { promiseChecks } from '../../lib/health/checks/promises.js';
import { readState } from '../../lib/monitoring/state.js';
import { runView } from '../../lib/http/run-view.js';
import { decodeJson, encodeJson } from '../../lib/json.js';
import type { ObjectStore, Signer } from '../../lib/ports/index.js';
import { drills, writeDrill } from '../../lib/restore/drill/record.js';
import { createEngine } from '../../lib/runs/engine.js';
import { readLease } from '../../lib/runs/lease-document.js';
import { recentRuns } from '../../lib/runs/recent.js';
import { writeMarker } from '../../lib/runs/markers.js';
import { createRun, loadRun, newRecord } from '../../lib/runs/records.js';
import type { RunDefinition, RunRecord } from '../../lib/runs/model.js';
import { loadRunSummaries, snapshotsInUse } from '../../lib/retention/stored.js';
import { checkChain } from '../../lib/snapshot/chain.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { UNSIGNED } from '../support/made-snapshots.js';
import { addMark, marksName, unfinishedOf } from '../../lib/snapshot/unfinished-marks.js';
import { manualClock } from '../support/clocks.js';

const PROJECT = 'cmwhitefalcon0001';
const SNAPSHOT = '20261122T020000Z-00abcd';
const RUN = '20261122T030000Z-00abcd';
const MARKER = `runs/${RUN}/tasks/check-000000.json`;
const pair = generateSigningKey();
const signer = ed25519Signer({ privateKey: pair.privateKey, publicKey: null });
const ours = controlCipher({ encrypts: true, secrets: [seedOf(pair.privateKey)] });
const other = controlCipher({ encrypts: true, secrets: ['another'] });
const step = () => Promise.reject(new Error('this run is not to be resumed'));
const DEFINITION: RunDefinition = {
  ...{ kind: 'restore', lease: 'database', firstPhase: 'work', words: {} },
  phases: { work: { type: 'serial', step } },
};
const TIMES = { attemptTtlMs: 60_000, holdMs: 60_000 };
const INPUT = { snapshot: SNAPSHOT, scope: { project: PROJECT }, trigger: 'admin', dryRun: false };
const ERROR = { code: 'not-found', message: `Project ${PROJECT} is gone`, hint: `Look for ${PROJECT}.` } as const;

let folder: FolderStore;
beforeEach(async () => (folder = await folderStore()));
afterEach(() => folder.remove());

const open = (cipher: ControlCipher, with_: Signer = signer): ObjectStore =>
  authenticatedStore(folder.store, with_, silentLog(), cipher);
const storedIn = async (name: string): Promise<Record<string, unknown>> =>
  decodeJson((await folder.store.read(name))?.body ?? Buffer.from('{}')) as Record<string, unknown>;

function runRecord(changes: Partial<RunRecord> = {}): RunRecord {
  const progress = { done: 3, total: 9, unit: 'keys', bytes: 0 } as const;
  const request = { kind: 'restore', input: INPUT, checkpoint: { projects: [PROJECT] }, progress } as const;
  return { ...newRecord(RUN, DEFINITION, request, 7, Date.parse('2026-11-22T03:00:00Z')), ...changes };
}

describe('control state beside encrypted snapshots', () => {
  it('keeps the fields of a run that are needed without the secret in clear text, and restores all with it', async () => {
    const record = runRecord({
      state: 'failed',
      error: ERROR,
      result: { manifestSha256: 'f'.repeat(64), of: PROJECT },
    });
    await createRun(open(ours), record);
    expect((await loadRun(open(ours), RUN)).record).toEqual(record);
    const stored = await storedIn(`runs/${RUN}/run.json`);
    expect(stored).toMatchObject({ id: RUN, kind: 'restore', state: 'failed', fence: 7, error: { code: 'not-found' } });
    expect(JSON.stringify(stored)).not.toContain(PROJECT);
  });

  it('gives the same bytes for the same content, so that a repeated write is recognized', async () => {
    const body = encodeJson({ task: 0, result: [PROJECT] });
    const created = await open(ours).create(MARKER, body);
    expect(await open(ours).create(MARKER, body)).toEqual(created);
    expect(await open(ours).create(MARKER, encodeJson({ task: 0, result: [] }))).toEqual({ created: false });
    expect((await open(ours).read(MARKER))?.body).toEqual(body);
    expect(Object.keys(await storedIn(MARKER))).toEqual(['encrypted', 'auth']);
  });

  it('is bound to its name, signed or not', async () => {
    for (const by of [signer, UNSIGNED]) {
      await open(ours, by).create(MARKER, encodeJson({ task: 0, result: [] }));
      const moved = MARKER.replace('000000', '000001');
      await folder.store.create(moved, (await folder.store.read(MARKER))?.body ?? Buffer.alloc(0));
      expect(await open(ours, by).read(moved)).toBeNull();
      for (const name of [MARKER, moved]) await folder.store.remove(name);
    }
  });

  it('is read when it was written before encryption was turned on, and after it was turned off', async () => {
    const plain = controlCipher({ encrypts: false, secrets: [seedOf(pair.privateKey)] });
    await createRun(open(plain), runRecord());
    expect((await storedIn(`runs/${RUN}/run.json`))['input']).toEqual(INPUT);
    const { record, etag } = await loadRun(open(ours), RUN);
    expect(record).toEqual(runRecord());
    await open(ours).swap(`runs/${RUN}/run.json`, encodeJson(record), etag);
    expect((await storedIn(`runs/${RUN}/run.json`))['input']).not.toHaveProperty('scope');
    expect((await loadRun(open(plain), RUN)).record).toEqual(runRecord());
  });

  it('lets a run that began in clear text continue, with the results that exist already', async () => {
    const plain = controlCipher({ encrypts: false, secrets: [] });
    const progress = { done: 0, total: 3, unit: 'keys', bytes: 0 } as const;
    const done: number[] = [];
    const definition: RunDefinition = {
      ...{ kind: 'restore', lease: 'database', firstPhase: 'begin', words: {} },
      phases: {
        begin: {
          type: 'serial',
          step: () => Promise.resolve({ to: 'phase', phase: 'work', tasks: 3, checkpoint: [PROJECT], progress }),
        },
        work: {
          ...{ type: 'tasks', next: 'end', inline: 1, parallelism: 1 },
          task: (_run, task) => Promise.resolve(done.push(task) && { of: PROJECT, task }),
          progress: () => progress,
        },
        end: {
          type: 'serial',
          async step(attempt) {
            const result = [];
            for await (const each of attempt.results('work')) result.push(each.result);
            return { to: 'end', state: 'succeeded', result: [attempt.run.checkpoint, ...result], error: null };
          },
        },
      },
    };
    const clock = manualClock();
    const engineOver = (store: ObjectStore) =>
      createEngine({ clock, log: silentLog(), queue: inProcessQueue(), store }, [definition], TIMES);
    const budget = { deadline: 0, lastAttempt: false, interrupt: new AbortController().signal };
    const started = await engineOver(open(plain)).start({ kind: 'restore', input: INPUT, checkpoint: null, progress });
    const id = started.started ? started.run.id : '';
    await engineOver(open(plain)).work(id, budget);
    await writeMarker(open(plain), id, 'work', 1, { of: PROJECT, task: 1 });
    const run = await engineOver(open(ours)).work(id, { ...budget, deadline: Infinity });
    const results = [0, 1, 2].map((task) => ({ of: PROJECT, task }));
    expect(run).toMatchObject({ state: 'succeeded', result: [[PROJECT], ...results] });
    expect(done).toEqual([0, 2]);
    expect(JSON.stringify(await storedIn(`runs/${id}/run.json`))).not.toContain(PROJECT);
  });

  it('is read with any of the secrets, so that a signing key can be set later', async () => {
    await open(other).create(MARKER, encodeJson({ task: 0, result: [] }));
    const both = controlCipher({ encrypts: true, secrets: [seedOf(pair.privateKey), 'another'] });
    expect((await open(both).read(MARKER))?.body).toEqual(encodeJson({ task: 0, result: [] }));
  });
});

describe('with another secret', () => {
  const theirs = (): ObjectStore => open(other);

  it('a run is listed as hidden, and still shows which snapshot it uses and what failed', async () => {
    await createRun(open(ours), runRecord({ error: ERROR, state: 'waiting' }));
    const [run] = await recentRuns(theirs(), { since: 0, limit: 9 });
    expect(run).toMatchObject({ id: RUN, hidden: true, fence: 7, checkpoint: null, result: null });
    expect(run).toMatchObject({ input: { snapshot: SNAPSHOT, trigger: 'admin', dryRun: false } });
    expect(run?.error).toEqual({ code: 'not-found', message: HIDDEN_WORDS, hint: HIDDEN_WORDS });
    expect(run === undefined ? null : runView(run)).toMatchObject({ details: HIDDEN_WORDS });
    const printed: string[] = [];
    const print = (text: string): void => void printed.push(text);
    const env = { BACKUP_STORE: pathToFileURL(folder.folder).href, BACKUP_SIGNING_PUBLIC_KEY: pair.publicKey };
    const output = { json: false, onTerminal: false, print, document: print, note: print, nameInHints: print };
    await showRun({ env, ...output, log: silentLog(), interrupt: new AbortController().signal }, RUN, {});
    expect(printed[0]).toMatch(/^ +details +The details are encrypted with another key: .*BACKUP_SIGNING_KEY/m);
    expect(snapshotsInUse(await loadRunSummaries(theirs()))).toEqual(new Set([RUN, SNAPSHOT]));
    expect(ignoredObjectsIn(theirs())).toEqual([]);
  });

  it('a snapshot run still shows that its manifest is gone', async () => {
    const done = { kind: 'snapshot', state: 'succeeded', result: { manifestSha256: 'f'.repeat(64) } } as const;
    await createRun(open(ours), runRecord(done));
    const findings = await checkChain({ store: theirs(), signer });
    expect(findings).toEqual([expect.objectContaining({ code: 'snapshot-missing', subject: RUN })]);
  });

  it('results of tasks are absent, and reported as encrypted with another key', async () => {
    await open(ours).create(MARKER, encodeJson({ task: 0, result: [] }));
    const store = theirs();
    expect(await store.read(MARKER)).toBeNull();
    expect(ignoredObjectsIn(store)).toEqual([{ object: MARKER, why: 'other-key' }]);
  });

  it('alerts and drills keep their figures, without their texts', async () => {
    const drill = { id: RUN, outcome: 'failed', reason: `of ${PROJECT}`, snapshot: SNAPSHOT, keys: 4 } as const;
    const times = { startedAt: '2026-11-22T02:00:00Z', finishedAt: null, milliseconds: null };
    await writeDrill(open(ours), { ...drill, ...times });
    const alert = { code: 'restore-failed', subject: 'restore', message: PROJECT, hint: 'h', since: times.startedAt };
    const state = { version: 1, lastRunAt: times.startedAt, outcome: 'ok', steps: [], checkedAt: null, checks: [] };
    const alerts = [{ ...alert, lastSentAt: null, resolvedAt: null, claim: null }];
    await open(ours).create('guard/state.json', encodeJson({ ...state, alerts }));
    expect((await readState(open(ours), null)).alerts[0]?.message).toBe(PROJECT);
    const read = await readState(theirs(), null);
    expect(read).toMatchObject({
      lastRunAt: times.startedAt,
      alerts: [{ code: 'restore-failed', message: HIDDEN_WORDS }],
    });
    const found = [];
    for await (const each of drills(theirs(), null)) found.push(each);
    expect(found).toMatchObject([{ ...drill, ...times, reason: HIDDEN_WORDS }]);
  });

  it('a mark of an unfinished restore still applies, without its command', async () => {
    const source = 'a'.repeat(64);
    const hint = `\`npx soulcaster-backup restore ${SNAPSHOT} --project ${PROJECT}\``;
    const mark = { run: RUN, scope: { all: true }, since: '2026-11-22T02:00:00Z', kind: 'restore' } as const;
    await addMark(open(ours), source, { ...mark, hint });
    expect(await unfinishedOf(open(ours), source)).toEqual([{ ...mark, hint }]);
    expect(await unfinishedOf(theirs(), source)).toEqual([{ ...mark, hint: HIDDEN_WORDS }]);
    expect((await folder.store.read(marksName(source)))?.body.toString()).not.toContain(PROJECT);
  });

  it('a run is not resumed but ended, with the variable named, and its lease is free', async () => {
    const clock = manualClock();
    const engineOver = (store: ObjectStore) => {
      const ports = { clock, log: silentLog(), queue: inProcessQueue(), store };
      return createEngine(ports, [DEFINITION], TIMES);
    };
    const progress = { done: 0, total: null, unit: 'keys', bytes: 0 } as const;
    const request = { kind: 'restore', input: INPUT, checkpoint: null, progress } as const;
    for (const call of ['work', 'deliver'] as const) {
      const started = await engineOver(open(ours)).start(request);
      const id = started.started ? started.run.id : '';
      const budget = { deadline: Infinity, lastAttempt: true, interrupt: new AbortController().signal };
      const body = call === 'work' ? id : JSON.stringify({ run: id, leg: 0 });
      const run = await engineOver(theirs())[call](body, budget);
      expect(run).toMatchObject({ id, state: 'failed', error: { code: 'wrong-key' } });
      expect(run.error?.hint).toContain('BACKUP_SIGNING_KEY');
      expect((await readLease(theirs(), 'database')).document?.holder).toBeNull();
      await clock.advance(1000);
    }
  });
});

describe('the store of the configuration', () => {
  it('encrypts with the signing key or, without one, with the token of the database; the second store too', async () => {
    const recipient = await identityToRecipient(await generateX25519Identity());
    const [first, second] = ['', '/second'].map((part) => pathToFileURL(folder.folder + part).href);
    const base = { BACKUP_STORE: first ?? '', BACKUP_REPLICA_STORE: second ?? '' };
    const token = { ...base, UPSTASH_REDIS_REST_TOKEN: 'token-of-the-database' };
    const keyed = { ...token, BACKUP_SIGNING_KEY: pair.privateKey, BACKUP_AGE_RECIPIENTS: recipient };
    const body = encodeJson({ task: 0, result: [PROJECT] });
    const named = (at: number): string => `runs/${RUN}/tasks/check-00000${at}.json`;
    await connect({ ...token, BACKUP_AGE_RECIPIENTS: recipient }, ['store'], { log: silentLog() }).store.create(
      named(0),
      body,
    );
    await connect(keyed, ['store'], { log: silentLog() }).store.create(named(1), body);
    await connectReplica(keyed, silentLog()).create(named(2), body);
    await connect(token, ['store'], { log: silentLog() }).store.create(named(3), body);
    const names = [named(0), named(1), `second/${named(2)}`, named(3)];
    const texts = await Promise.all(names.map(async (name) => String((await folder.store.read(name))?.body)));
    expect(texts.map((text) => [text.includes('"encrypted"'), text.includes(PROJECT)])).toEqual([
      ...[true, true, true].map((encrypted) => [encrypted, false]),
      [false, true],
    ]);
    const read = (env: Record<string, string>, at: number) =>
      connect(env, ['store'], { log: silentLog() }).store.read(named(at));
    expect((await read(token, 0))?.body).toEqual(body);
    expect((await read(keyed, 1))?.body).toEqual(body);
    expect(await read(base, 0)).toBeNull();
    // The public key alone checks the signature, and is no secret.
    expect(await read({ ...token, BACKUP_SIGNING_PUBLIC_KEY: pair.publicKey }, 1)).toBeNull();
  });

  it('encrypts with a key of the process where no shared secret is set', async () => {
    const recipient = await identityToRecipient(await generateX25519Identity());
    const env = { BACKUP_STORE: pathToFileURL(folder.folder).href, BACKUP_AGE_RECIPIENTS: recipient };
    const storeNow = (): ObjectStore => connect(env, ['store'], { log: silentLog() }).store;
    await storeNow().create(MARKER, encodeJson({ task: 0, result: [PROJECT] }));
    expect(Object.keys(await storedIn(MARKER))).toEqual(['encrypted']);
    expect((await storeNow().read(MARKER))?.body).toEqual(encodeJson({ task: 0, result: [PROJECT] }));
  });

  it('makes doctor warn when the encryption depends on the token of the database', async () => {
    const detail = async (...set: readonly string[]): Promise<string | undefined> => {
      const checks = promiseChecks((variable) => set.includes(variable)).flat();
      return (await checks.find(({ name }) => name === 'without-signature')?.run())?.detail;
    };
    expect(await detail('BACKUP_AGE_RECIPIENTS')).toContain('UPSTASH_REDIS_REST_TOKEN');
    expect(await detail()).not.toContain('UPSTASH_REDIS_REST_TOKEN');
    expect(await detail('BACKUP_AGE_RECIPIENTS', 'BACKUP_SIGNING_KEY')).toBeUndefined();
  });
});
