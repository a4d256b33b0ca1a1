import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, afterEach, beforeEach } from '@jest/globals';
import { catalog, catalogEntry, findPreviousLink, snapshotIds } from '../../lib/snapshot/catalog.js';
import { latestIn, selectedIn, trustIn } from '../support/trust.js';
import { sha256 } from '../../lib/snapshot/manifest.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';
import { ed25519Signer, generateSigningKey } from '../../lib/crypto/ed25519.js';
import { silentLog } from '../../lib/app/in-process.js';
import { authenticatedStore, ignoredObjectsIn } from '../../lib/control/authenticated-store.js';
import { controlCipher } from '../../lib/control/encryption.js';
import { encodeJson } from '../../lib/json.js';
import type { ObjectStore, Signer } from '../../lib/ports/index.js';
import { overwriteObject } from '../../lib/control/object.js';
import { acceptSnapshot } from '../../lib/snapshot/accept.js';
import { listEntries, refreshCatalog } from '../../lib/snapshot/catalog-object.js';
import { assess } from '../../lib/snapshot/trust.js';
import { writeVerification } from '../../lib/snapshot/statements.js';
import { countingStore, type CountingStore } from '../support/counting-store.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { makeSnapshot } from '../support/made-snapshots.js';

describe('the catalog', () => {
  let bench: SnapshotBench;
  const ids: string[] = [];
  beforeAll(async () => {
    bench = await openSnapshotBench();
    // Its counts must come back from the manifest for the verification to succeed.
    await bench.database.redis.set('feedback:__proto__:1', 'v');
    for (let at = 0; at < 3; at++) ids.push((await bench.takeWhole()).id);
  });
  afterAll(() => bench.stop());

  const store = () => bench.folder.store;
  const at = (index: number): string => ids[index] ?? '';

  it('lists snapshots newest first, and only those with a manifest', async () => {
    const unfinished = '20200101T000000Z-000000';
    await store().create(`snapshots/${unfinished}/part-00000-00001.jsonl.gz`, Buffer.from('left over'));
    await store().create('snapshots/notes/readme.txt', Buffer.from('no snapshot'));
    const listed: string[] = [];
    for await (const { id } of catalog(store())) listed.push(id);
    expect(listed).toEqual([...ids].reverse());
    expect(await snapshotIds(store())).toEqual([unfinished, ...ids]);
    expect(await catalogEntry(store(), unfinished)).toBeNull();
  });

  it('finds a snapshot by id or as the latest, and throws not-found when there is none', async () => {
    expect(await selectedIn(store(), 'latest')).toBe(at(2));
    expect(await selectedIn(store(), at(0))).toBe(at(0));
    for (const wanted of ['20200101T000000Z-000001', '20200101T000000Z-000000', '../x', '', 'Latest']) {
      await expect(selectedIn(store(), wanted)).rejects.toMatchObject({ code: 'not-found' });
    }
  });

  it('links a snapshot to the newest one before it', async () => {
    const manifest = await store().read(`snapshots/${at(1)}/manifest.json`);
    expect(await findPreviousLink(store(), at(2))).toEqual({ id: at(1), sha256: sha256(manifest?.body ?? '') });
    expect((await catalogEntry(store(), at(2)))?.manifest?.previous?.id).toBe(at(1));
    expect(await findPreviousLink(store(), at(0))).toBeNull();
  });

  it('counts a project of any name, and verifies it', async () => {
    const entry = await catalogEntry(store(), at(2));
    expect(Object.entries(entry?.manifest?.counts.byProject ?? {})).toEqual([['__proto__', 1]]);
    expect((await bench.verify(at(2))).result).toMatchObject({ keys: 1, findings: [] });
  });

  it.each(['', '{"state":', '[]', '{"state":"verified"}'])(
    'does not rely on a snapshot whose verification reads %j, and continues with the next',
    async (text) => {
      await writeFile(join(bench.folder.folder, 'snapshots', at(2), 'verification.json'), text);
      expect((await catalogEntry(store(), at(2)))?.verification).toBeNull();
      expect(await latestIn(store())).toBe(at(1));
      await bench.verify(at(2));
      expect(await latestIn(store())).toBe(at(2));
    },
  );

  it('does not choose a snapshot that was never verified', async () => {
    await rm(join(bench.folder.folder, 'snapshots', at(2), 'verification.json'));
    expect(await latestIn(store())).toBe(at(1));
  });
});

describe('the catalogue', () => {
  const NAME = 'catalog.json';
  const signerOf = (privateKey: string): Signer => ed25519Signer({ privateKey, publicKey: null });
  const OURS = signerOf(generateSigningKey().privateKey);
  const OTHERS = signerOf(generateSigningKey().privateKey);
  const NOBODY = ed25519Signer({ privateKey: null, publicKey: null });
  const DOUBT = { code: 'emptied', detail: 'the database held 9 keys before it was read and 1 after it' };

  let folder: FolderStore;
  let counted: CountingStore;
  let ids: string[];
  beforeEach(async () => {
    folder = await folderStore();
    counted = countingStore(folder.store);
    ids = [];
    for (const day of ['01', '02', '03']) ids.push(await make(`2026-11-${day}T02:00:00Z`));
    await refreshCatalog(ports());
    counted.reads();
    counted.writes();
  });
  afterEach(() => folder.remove());

  /** Its own store each time, as every command and function has: nothing is left of what another one met. */
  const storeOf = (signer: Signer): ObjectStore => authenticatedStore(counted.store, signer, silentLog());
  const ports = (signer = OURS) => ({ store: storeOf(signer), signer });
  const make = (at: string, more: Partial<Parameters<typeof makeSnapshot>[1]> = {}): Promise<string> =>
    makeSnapshot(storeOf(OURS), { at, signer: OURS, ...more });
  const stored = async (): Promise<Buffer> => (await folder.store.read(NAME))?.body ?? Buffer.alloc(0);
  const put = (body: Buffer): Promise<void> => overwriteObject(folder.store, NAME, body);

  /** What the manifests themselves say, object by object. */
  async function truth(signer = OURS): Promise<string[]> {
    const store = storeOf(signer);
    const found: string[] = [];
    for await (const entry of catalog(store)) found.push(wordsOf(entry, signer));
    return found;
  }
  function wordsOf(entry: Parameters<typeof assess>[0], signer: Signer): string {
    const { reasons, state } = assess(entry, trustIn({} as ObjectStore, { signer }));
    return JSON.stringify([entry.id, state, reasons, entry.manifest?.counts.keys, entry.sizes, entry.verification]);
  }
  const told = async (signer = OURS): Promise<string[]> =>
    (await listEntries(ports(signer))).map((entry) => wordsOf(entry, signer));

  it('needs only its own read and a listing, and gives the same entries as the manifests', async () => {
    expect(await told()).toEqual(await truth());
    counted.reads();
    await told();
    expect(counted.names()).toEqual(['snapshots/*', NAME]);
    await refreshCatalog(ports());
    expect(counted.writes()).toBe(0);
  });

  it('reads only snapshots that were added, verified, accepted or removed since', async () => {
    const added = await make('2026-11-04T02:00:00Z', { doubts: [DOUBT], verified: null });
    counted.reads();
    expect((await told())[0]).toContain('unverified');
    expect(counted.names().filter((name) => name.startsWith('snapshots/2'))).toHaveLength(4);
    await writeVerification(storeOf(OURS), added, {
      state: 'verified',
      at: '2026-11-04T03:00:00Z',
      run: added,
      depth: 'lines',
      findings: [],
    });
    expect((await told())[0]).toContain('doubtful');
    await acceptSnapshot(trustIn(storeOf(OURS), { signer: OURS }), added, { by: 'me', reason: 'it was meant' });
    expect((await told())[0]).toContain('trusted');
    expect((await stored()).toString()).toContain('it was meant');
    await folder.store.remove(`snapshots/${ids[1] ?? ''}/manifest.json`);
    expect((await told()).map((each) => (JSON.parse(each) as string[])[0])).toEqual([added, ids[2], ids[0]]);
    expect(await told()).toEqual(await truth());
  });

  it('is not used for a snapshot that is gone, or has changed since', async () => {
    const old = await stored();
    await folder.store.remove(`snapshots/${ids[2] ?? ''}/manifest.json`);
    await writeVerification(storeOf(OURS), ids[1] ?? '', {
      state: 'damaged',
      at: '2026-11-05T02:00:00Z',
      run: ids[1] ?? '',
      depth: 'lines',
      findings: [],
    });
    await refreshCatalog(ports());
    await put(old);
    const answer = await told();
    expect(answer).toEqual(await truth());
    expect(answer).toHaveLength(2);
    expect(answer[0]).toContain('damaged');
  });

  it('is not used for a snapshot that has lost a part, or a byte of one', async () => {
    const parts = async (id: string): Promise<string[]> => {
      const names: string[] = [];
      for await (const { name } of folder.store.list(`snapshots/${id}/part-`)) names.push(name);
      return names;
    };
    const [first = ''] = await parts(ids[2] ?? '');
    await folder.store.remove(first);
    const [cut = ''] = await parts(ids[1] ?? '');
    await overwriteObject(folder.store, cut, ((await folder.store.read(cut))?.body ?? Buffer.alloc(0)).subarray(1));
    const answer = await told();
    expect(answer).toEqual(await truth());
    expect(answer[0]).toContain('1 of its 2 parts are not in the store, or have another size there');
    expect(answer[1]).toContain('"damaged"');
    expect(answer[2]).toContain('"trusted"');
    // What the catalogue keeps is not older than that.
    await refreshCatalog(ports());
    expect(await told()).toEqual(answer);
  });

  it('is not used for a manifest that was altered in place, with the same size and time', async () => {
    const name = `snapshots/${ids[2] ?? ''}/manifest.json`;
    const manifest = (await folder.store.read(name))?.body.toString() ?? '';
    const { utimes, writeFile, stat } = await import('node:fs/promises');
    const path = `${folder.folder}/${name}`;
    const { atime, mtime } = await stat(path);
    await writeFile(
      path,
      manifest.replace(/"keys": ?4/, (found) => found.replace('4', '9')),
    );
    await utimes(path, atime, mtime);
    expect(await told()).toEqual(await truth());
    expect((await told())[0]).toContain('it was altered');
  });

  it.each([
    ['missing', null],
    ['empty', Buffer.alloc(0)],
    ['no JSON', Buffer.from('{"version":1,')],
    ['not signed', encodeJson({ version: 1, accepts: OURS.accepts, snapshots: [] })],
    ['of another form', encodeJson({ version: 2, snapshots: {} })],
  ])('costs reads and changes no result when it is %s', async (_, body) => {
    if (body === null) await folder.store.remove(NAME);
    else await put(body);
    expect(await told()).toEqual(await truth());
    await refreshCatalog(ports());
    counted.reads();
    await told();
    expect(counted.reads()).toBe(2);
  });

  it('signed with another key is not used, and is reported', async () => {
    await refreshCatalog({ signer: OTHERS, store: storeOf(OTHERS) });
    const other = ports();
    expect((await listEntries(other)).map((entry) => wordsOf(entry, OURS))).toEqual(await truth());
    expect(ignoredObjectsIn(other.store)).toMatchObject([{ object: NAME }]);
    await refreshCatalog(ports());
    expect(await told(OTHERS)).toEqual(await truth(OTHERS));
    // Without any key the verdict on signatures is another one as well.
    expect(await told(NOBODY)).toEqual(await truth(NOBODY));
  });

  it('does not reuse signature checks that were made with other keys', async () => {
    const { privateKey, publicKey } = generateSigningKey();
    const former = signerOf(privateKey);
    await makeSnapshot(storeOf(OURS), { at: '2026-11-06T02:00:00Z', signer: former });
    await refreshCatalog(ports());
    expect((await told())[0]).toContain('untrusted');
    const both = { ...OURS, ...ed25519Signer({ privateKey: null, publicKey }) };
    const signer: Signer = {
      sign: (bytes) => OURS.sign(bytes),
      verify: (bytes, signature) => OURS.verify(bytes, signature) === true || both.verify(bytes, signature) === true,
      accepts: `${OURS.accepts},${both.accepts}`,
    };
    expect((await told(signer))[0]).toContain('trusted');
    expect(await told(signer)).toEqual(await truth(signer));
  });

  it('that lists a snapshot which does not exist shows none', async () => {
    const document = JSON.parse((await stored()).toString()) as { snapshots: { id: string }[] };
    const ghost = { ...document.snapshots[0], id: '20261130T020000Z-ghost0' };
    await overwriteObject(storeOf(OURS), NAME, encodeJson({ ...document, snapshots: [ghost, ...document.snapshots] }));
    expect(await told()).toEqual(await truth());
  });

  it('never hides an ignored object', async () => {
    await overwriteObject(
      folder.store,
      `snapshots/${ids[2] ?? ''}/verification.json`,
      Buffer.from('{"state":"verified"}'),
    );
    for (let turn = 0; turn < 2; turn++) {
      await refreshCatalog(ports());
      const seen = ports();
      expect((await listEntries(seen))[0]?.verification).toBeNull();
      expect(ignoredObjectsIn(seen.store)).toMatchObject([{ object: `snapshots/${ids[2] ?? ''}/verification.json` }]);
    }
  });

  it('has the entries of two writers at the same moment', async () => {
    const both = [make('2026-11-07T02:00:00Z'), make('2026-11-07T02:00:01Z')];
    await Promise.all(both.map(async (making) => (await making, refreshCatalog(ports()))));
    counted.reads();
    expect(await told()).toHaveLength(5);
    expect(counted.reads()).toBe(2);
    expect(await told()).toEqual(await truth());
  });

  it('is not written with a public key alone, or in a store that takes no writes', async () => {
    await make('2026-11-08T02:00:00Z');
    const before = await stored();
    const reader: Signer = { ...OURS, sign: () => null };
    await refreshCatalog({ signer: reader, store: authenticatedStore(counted.store, reader, silentLog()) });
    const refused = () => Promise.reject(new Error('read only'));
    await refreshCatalog({ signer: OURS, store: { ...storeOf(OURS), create: refused, swap: refused } });
    expect(await stored()).toEqual(before);
    expect(await told()).toHaveLength(4);
  });

  it("shows an operator's reason only with the secret, where snapshots are encrypted", async () => {
    const cipherOf = (secret: string) => controlCipher({ encrypts: true, secrets: [Buffer.from(secret)] });
    const hidden = (secret: string) => authenticatedStore(counted.store, OURS, silentLog(), cipherOf(secret));
    const added = await make('2026-11-09T02:00:00Z', { doubts: [DOUBT] });
    await acceptSnapshot(trustIn(hidden('one'), { signer: OURS }), added, { by: 'me', reason: 'project acme moved' });
    expect((await stored()).toString()).toContain(added);
    expect((await stored()).toString()).not.toContain('acme');
    const [mine] = await listEntries({ signer: OURS, store: hidden('one') });
    expect(mine?.accepted?.reason).toBe('project acme moved');
    const [theirs] = await listEntries({ signer: OURS, store: hidden('two') });
    expect(theirs?.manifest?.doubts).toEqual([DOUBT]);
  });
});
