import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ObjectKind, TamperStep } from './steps.js';
import { objects, type Place, type World } from './world.js';

export function kindOf(name: string): ObjectKind {
  if (/\/part-/.test(name)) return 'part';
  if (name.endsWith('/manifest.json')) return 'manifest';
  if (/^snapshots\/[^/]+\/verification\.json$/.test(name)) return 'verification';
  if (/^snapshots\/[^/]+\/(accepted|adopted)\.json$/.test(name)) return 'acceptance';
  if (name.startsWith('runs/')) return 'run';
  if (name.startsWith('leases/')) return 'lease';
  if (name.startsWith('guard/')) return 'guard';
  if (name.startsWith('drills/')) return 'drill';
  if (name.startsWith('pruned/')) return 'tombstone';
  return name === 'catalog.json' ? 'catalog' : 'any';
}

/** Keeps what control objects hold now, so that an old content can be put back. */
export function remember({ folders, past }: World): void {
  for (const name of objects(folders.store)) {
    if (kindOf(name) === 'part') continue;
    const content = readFileSync(join(folders.store, name));
    const versions = past.get(name) ?? [];
    if (versions.at(-1)?.equals(content) !== true) past.set(name, [...versions.slice(-4), content]);
  }
}

/** Does to one object what an operator, a broken disk or somebody with access to the bucket might. Returns its name. */
export function tamper(world: World, { kind, pick, how, place = 'store' }: TamperStep): string | null {
  if (how === 'forge') return forge(world, kind, pick);
  const folder = world.folders[place];
  const all = how === 'put-back' ? [...world.past.keys()].sort() : objects(folder);
  const candidates = all.filter((name) => kind === 'any' || kindOf(name) === kind);
  const name = candidates[pick % Math.max(1, candidates.length)];
  if (name === undefined) return null;
  const file = join(folder, name);
  if (how === 'put-back') {
    const versions = world.past.get(name) ?? [];
    const old = versions[pick % versions.length];
    if (old === undefined) return null;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, old);
  } else if (how === 'remove') rmSync(file, { force: true });
  else if (how === 'truncate') truncateSync(file, Math.floor(statSync(file).size / 2));
  else if (how === 'empty') truncateSync(file, 0);
  else {
    const content = readFileSync(file);
    const at = (pick * 7919) % Math.max(1, content.length);
    content[at] = (content[at] ?? 0) ^ (1 << (pick % 8));
    writeFileSync(file, content);
  }
  touch(world, name, place);
  // Of a mark that is gone, or is an old one, nobody can know.
  if (name.startsWith('guard/databases/') && /remove|put-back/.test(how)) world.unfinished.clear();
  return name;
}

/** An object that nobody of the product wrote: in its place, or beside the others. */
function forge(world: World, kind: ObjectKind, pick: number): string | null {
  const id = `2026${pick % 2 === 0 ? '1101' : '1231'}T000000Z-forged`.slice(0, 23);
  const { store } = world.known;
  const snapshot = [...store.keys()].sort()[pick % Math.max(1, store.size)] ?? id;
  const documents: Record<string, [string, unknown]> = {
    verification: [
      `snapshots/${snapshot}/verification.json`,
      { state: 'verified', at: new Date().toISOString(), run: snapshot, depth: 'lines', findings: [] },
    ],
    acceptance: [
      `snapshots/${snapshot}/accepted.json`,
      {
        snapshot,
        manifestSha256: manifestHash(world, snapshot),
        reason: 'forged',
        at: new Date().toISOString(),
        by: 'x',
      },
    ],
    lease: ['leases/database.json', { holder: id, leg: 'x', fence: 99, legUntil: 9e12, expiresAt: 9e12 }],
    run: [
      `runs/${id}/run.json`,
      {
        version: 1,
        id,
        kind: ['restore', 'snapshot', 'of-tomorrow'][pick % 3],
        state: 'running',
        lease: 'database',
        phase: 'write',
        tasks: 1,
        leg: 0,
        stalls: 0,
        fence: 1,
        firstFence: 1,
        resumeAt: null,
        handedOut: null,
        input: {},
        checkpoint: null,
        progress: { done: 0, total: null, unit: 'keys', bytes: 0 },
        result: null,
        error: null,
        createdAt: new Date().toISOString(),
        updatedAt: new Date().toISOString(),
        finishedAt: null,
      },
    ],
    manifest: [`snapshots/${id}/manifest.json`, { formatVersion: 1, id, state: 'complete' }],
    guard: ['guard/state.json', ['nothing', { of: 'this' }][pick % 2]],
    catalog: ['catalog.json', { snapshots: [] }],
    drill: [`drills/${id}.json`, { id, outcome: 'passed' }],
    any: ['notes.txt', 'somebody was here'],
    part: [`snapshots/${snapshot}/part-00099-00001.jsonl.gz`, 'not a part'],
  };
  const [name, content] = documents[kind] ?? ['notes.txt', ''];
  if (kind === 'acceptance' && !world.signed) store.get(snapshot)?.standing.doubts.splice(0);
  const file = join(world.folders.store, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(content));
  touch(world, name, 'store');
  return name;
}

/** With a hash that fits: without a key nothing speaks against a forged acceptance. */
function manifestHash(world: World, snapshot: string): string {
  const file = join(world.folders.store, 'snapshots', snapshot, 'manifest.json');
  return existsSync(file) ? createHash('sha256').update(readFileSync(file)).digest('hex') : '';
}

function touch(world: World, name: string, place: Place): void {
  const snapshot = /^snapshots\/([^/]+)\//.exec(name)?.[1];
  const known = snapshot === undefined ? undefined : world.known[place].get(snapshot);
  if (known !== undefined) known.touched = true;
  world.everTampered = true;
  if (kindOf(name) !== 'part') world.touchedControl = true;
}
