import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Decrypter } from 'age-encryption';
import { canonicalTail, canonicalValue, shortened, type PlainDump, type PlainEntry } from './plain-dump.js';

type Text = string | { readonly b: string };

interface Line {
  readonly k: Text;
  readonly t: string;
  readonly x?: number | string;
  readonly v?: unknown;
  readonly fx?: readonly (readonly [Text, number | string])[];
  readonly last?: boolean;
  readonly i?: number;
  readonly void?: boolean;
}

interface StreamGroup {
  readonly name: Text;
  readonly lastId: string;
  readonly consumers: readonly Text[];
  readonly pending: readonly (readonly [string, Text, number, number])[];
}

interface StreamValue {
  readonly entries?: readonly (readonly [string, readonly Text[]])[];
  readonly lastId?: string;
  readonly groups?: readonly StreamGroup[];
}

/** What docs/format.md says of a manifest, as far as the keys need it. */
export interface PlainManifest {
  readonly id: string;
  readonly state: string;
  readonly purpose?: string;
  readonly partial?: boolean;
  readonly source: string;
  readonly window: { readonly from: string; readonly to: string };
  readonly dbsize: { readonly before: number; readonly after: number };
  readonly counts: { readonly keys: number };
  readonly doubles: readonly { readonly part: number; readonly line: number }[];
  readonly parts: readonly { readonly name: string }[];
}

export async function readPlainManifest(folder: string, id: string): Promise<PlainManifest> {
  return JSON.parse(await readFile(join(folder, 'snapshots', id, 'manifest.json'), 'utf8')) as PlainManifest;
}

/** The keys of a snapshot in a folder store, by docs/format.md alone, in the form that `dumpDatabase` gives. */
export async function readPlainSnapshot(
  folder: string,
  id: string,
  identity: string | null,
  whole = false,
): Promise<PlainDump> {
  const manifest = await readPlainManifest(folder, id);
  const passed = new Set(manifest.doubles.map(({ part, line }) => `${part}:${line}`));
  const dump: PlainDump = new Map();
  let open: Line[] = [];
  let skip = false;
  for (const [number, part] of manifest.parts.entries()) {
    const lines = (await partText(join(folder, 'snapshots', id, part.name), identity)).split('\n').slice(0, -1);
    for (const [index, content] of lines.entries()) {
      const line = JSON.parse(content) as Line;
      if (line.i === undefined || line.i === 0) {
        open = [];
        skip = passed.has(`${number}:${index}`);
      }
      open.push(line);
      if (line.i !== undefined && line.last !== true) continue;
      if (skip || line.void === true) continue;
      const key = latin(line.k);
      if (dump.has(key)) throw new Error(`${key} stands twice in ${id}`);
      dump.set(key, entryOf(open, whole));
    }
  }
  return dump;
}

async function partText(file: string, identity: string | null): Promise<string> {
  const stored = await readFile(file);
  if (!file.endsWith('.age')) return gunzipSync(stored).toString('utf8');
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity ?? '');
  return gunzipSync(await decrypter.decrypt(stored)).toString('utf8');
}

function entryOf(lines: readonly Line[], whole: boolean): PlainEntry {
  const [{ t: type, x }] = lines as [Line];
  const times = Object.fromEntries(lines.flatMap(({ fx = [] }) => fx.map(([field, ms]) => [latin(field), String(ms)])));
  return {
    type,
    expiresAt: x === undefined ? null : String(x),
    value: whole ? valueOf(type, lines) : shortened(valueOf(type, lines)),
    ...(Object.keys(times).length > 0 ? { fields: times } : {}),
  };
}

function valueOf(type: string, lines: readonly Line[]): string {
  if (type === 'string' || type === 'json')
    return lines.map(({ v }) => (v === undefined ? '' : latin(v as Text))).join('');
  if (type === 'stream') {
    const values = lines.map(({ v }) => (v ?? {}) as StreamValue);
    const entries = values.flatMap(({ entries: some = [] }) => some.map(([id, fields]) => [id, fields.map(latin)]));
    const tail = values.at(-1);
    return canonicalValue(type, entries) + canonicalTail(tail?.lastId, (tail?.groups ?? []).map(groupOf));
  }
  const items = lines.flatMap(({ v }) => (v ?? []) as unknown[]);
  if (type === 'list') return canonicalValue(type, (items as Text[]).map(latin));
  if (type === 'set') return canonicalValue(type, [...new Set((items as Text[]).map(latin))]);
  // A page of HSCAN may name an element again.
  const pairs = new Map((items as [Text, Text][]).map(([first, second]) => [latin(first), latin(second)]));
  return canonicalValue(type, [...pairs]);
}

function groupOf({ name, lastId, consumers, pending }: StreamGroup): unknown {
  const waiting = pending.map(([id, consumer, , deliveries]) => [id, latin(consumer), String(deliveries)]);
  return [latin(name), lastId, consumers.map(latin).sort(), waiting];
}

function latin(text: Text): string {
  return Buffer.from(typeof text === 'string' ? text : text.b, typeof text === 'string' ? 'utf8' : 'base64').toString(
    'latin1',
  );
}
