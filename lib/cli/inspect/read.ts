import { connect } from '../../app/connect.js';
import { protectedDatabase } from '../../app/connect/database.js';
import { AppError, toAppError } from '../../errors.js';
import { heldIn, openSnapshot, stoppableStore, type InspectPorts, type OpenSnapshot } from '../../inspect/open.js';
import { parseSelection, type Selection, keyText } from '../../soulcaster/selection.js';
import type { Context } from '../context.js';
import { printable, wholeText } from '../../snapshot/ledger.js';
import { storeEnvironment } from '../../app/connect/stores.js';
import { notePassedOver } from '../trust.js';
import { listKeys, type ListedKey } from '../../inspect/list.js';
import { bytes, count, counted } from '../../formats.js';
import { lineOutput, type LineOutput } from '../output/text.js';
import { selectionWords } from '../../soulcaster/selection-words.js';
import { findKey, type KeyRecord } from '../../inspect/records.js';
import type { RecordLine, StreamValue } from '../../snapshot/record.js';
import { fromText, type Text } from '../../soulcaster/text.js';
import { facts } from '../output/table.js';

/** Options of every command that reads the contents of snapshots. */
export interface InspectOptions {
  readonly at?: string | undefined;
  readonly project?: readonly string[];
  readonly family?: readonly string[];
  readonly match?: readonly string[];
  readonly key?: readonly string[];
  readonly replica?: boolean | undefined;
}

export function inspectPorts(context: Context, replica: boolean | undefined): InspectPorts {
  const env = storeEnvironment(context.env, replica);
  const ports = connect(env, ['clock', 'encryptor', 'signer', 'store'], { log: context.log });
  const { interrupt } = context;
  return { ...ports, store: stoppableStore(ports.store, interrupt, () => toAppError(interrupt.reason)) };
}

/** Opens the wanted snapshot; warnings about it go to the standard error. */
export async function openWanted(context: Context, wanted: string, options: InspectOptions): Promise<OpenSnapshot> {
  if (options.at !== undefined && wanted !== 'latest') {
    throw new AppError('usage', 'Both a snapshot and --at are given', {
      hint: 'Name the snapshot by its id, or give `latest` and the time with --at.',
    });
  }
  const { source } = protectedDatabase(context.env);
  const ports = inspectPorts(context, options.replica);
  const { foundDamaged, passedOver, snapshot } = await openSnapshot(ports, source, wanted, options.at ?? null);
  const { id, keyIndex } = snapshot.manifest;
  notePassedOver(context, id, passedOver);
  if (foundDamaged) {
    context.note(`warning: snapshot ${id} was found damaged when it was last verified; its altered parts are not read`);
  }
  const held = await heldIn(snapshot);
  if (held !== null) context.note(`note: ${id} holds a part of a database: ${printable(held.words)}`);
  if (keyIndex === undefined && context.env['DEBUG'] === '1') context.note(`note: ${id} has no index of its keys`);
  return snapshot;
}

export function selectionOf({ family, key, match, project }: InspectOptions): Selection {
  return parseSelection({ family, key, match, project });
}

export interface LsOptions extends InspectOptions {
  readonly long?: boolean;
}

/** `ls`: lists the keys of a snapshot, one per line. With --json each line is JSON, and the last is `{snapshot, keys}`. */
export async function ls(context: Context, wanted: string, options: LsOptions): Promise<number> {
  const selection = selectionOf(options);
  const snapshot = await openWanted(context, wanted, options);
  const out = lineOutput();
  let keys = 0;
  for await (const key of listKeys(snapshot, selection)) {
    if (out.isClosed() || context.interrupt.aborted) break;
    keys += 1;
    const flushed = out.write(
      context.json ? JSON.stringify(key) : options.long === true ? longLine(key) : wholeText(key.key),
    );
    if (flushed !== undefined) await flushed;
  }
  if (context.interrupt.aborted) throw context.interrupt.reason;
  const { id } = snapshot.manifest;
  if (context.json) await out.write(JSON.stringify({ snapshot: id, keys }));
  await out.end();
  context.note(`${counted(keys, 'key')} of ${id}: ${selectionWords(selection)}`);
  return 0;
}

function longLine({ bytes: size, elements, expiresAt, family, key, project, type }: ListedKey): string {
  const columns = [
    type.padEnd(6),
    count(elements).padStart(9),
    bytes(size).padStart(10),
    expiryWords(expiresAt).padEnd(24),
    family.padEnd(20),
    (project === null ? '-' : wholeText(project)).padEnd(26),
  ];
  return `${columns.join('  ')}  ${wholeText(key)}`;
}

/** An expiry as ISO 8601, or in milliseconds if out of the calendar's range; `-` for none. */
export function expiryWords(expiresAt: ListedKey['expiresAt']): string {
  if (expiresAt === null) return '-';
  const date = new Date(Number(expiresAt));
  return Number.isNaN(date.getTime()) ? String(expiresAt) : date.toISOString();
}

export interface CatOptions extends InspectOptions {
  readonly raw?: boolean;
  readonly field?: string;
}

/**
 * `cat`: prints one key of a snapshot. `--raw`: the unescaped bytes of a string, a document or one field. With --json, the lines
 * of its record in the format of docs/format.md, each with the snapshot's id.
 */
export async function cat(context: Context, wanted: string, name: string, options: CatOptions): Promise<number> {
  const key = keyText(name);
  const snapshot = await openWanted(context, wanted, options);
  const record = await findKey(snapshot, key);
  const { id } = snapshot.manifest;
  if (record === null) {
    throw new AppError('not-found', `Snapshot ${id} has no key ${JSON.stringify(name.slice(0, 200))}`, {
      hint: `Search all snapshots: \`npx soulcaster-backup find --key ${quoteForShell(name)} --all --env-file .env\`.`,
    });
  }
  const out = lineOutput();
  if (options.field !== undefined)
    await printField(context, out, id, record, keyText(options.field), options.raw === true);
  else if (options.raw === true) await printRaw(out, record);
  else if (context.json) await printJson(out, id, record);
  else await printReadable(out, record);
  await out.end();
  return 0;
}

async function* linesOf({ first, rest }: KeyRecord): AsyncGenerator<RecordLine> {
  yield first;
  yield* rest ?? [];
}

async function printJson(out: LineOutput, snapshot: string, record: KeyRecord): Promise<void> {
  for await (const line of linesOf(record)) await out.write(JSON.stringify({ snapshot, ...line }));
}

async function printRaw(out: LineOutput, record: KeyRecord): Promise<void> {
  const { t } = record.first;
  if (t !== 'string' && t !== 'json') {
    throw new AppError('usage', `--raw prints the bytes of one value, and this key is a ${t}`, {
      hint: 'Add --field NAME for one field of a hash, or use --json for the whole key.',
    });
  }
  for await (const { v } of linesOf(record)) await out.writeRaw(fromText(v as Text));
}

async function printField(
  context: Context,
  out: LineOutput,
  snapshot: string,
  record: KeyRecord,
  field: Text,
  raw: boolean,
): Promise<void> {
  if (record.first.t !== 'hash') {
    throw new AppError('usage', `--field is for hashes, and this key is a ${record.first.t}`, {
      hint: 'Omit --field to see the whole key.',
    });
  }
  const wanted = fromText(field);
  for await (const { v } of linesOf(record)) {
    const found = (v as readonly (readonly [Text, Text])[]).find(([name]) => fromText(name).equals(wanted));
    if (found === undefined) continue;
    if (raw) return out.writeRaw(fromText(found[1]));
    await out.write(
      context.json ? JSON.stringify({ snapshot, key: record.first.k, field, value: found[1] }) : wholeText(found[1]),
    );
    return;
  }
  throw new AppError('not-found', `The hash has no field ${JSON.stringify(wholeText(field).slice(0, 200))}`, {
    hint: 'Omit --field to see all its fields.',
  });
}

async function printReadable(out: LineOutput, record: KeyRecord): Promise<void> {
  const { first, known } = record;
  const head = facts([
    ['key', wholeText(first.k)],
    ['type', first.t],
    ['family', known.family],
    ['project', known.project === null ? null : wholeText(known.project)],
    ['expires', expiryWords(first.x ?? null)],
  ]);
  await out.write(`${head}\n`);
  for await (const line of linesOf(record)) for (const text of formatLine(line)) await out.write(text);
}

function* formatLine({ fx, t, v }: RecordLine): Generator<string> {
  if (t === 'string' || t === 'json') yield wholeText(v as Text);
  else if (t === 'hash' || t === 'zset') {
    const times = new Map((fx ?? []).map(([field, time]) => [wholeText(field), time]));
    for (const [name, value] of v as readonly (readonly [Text, Text])[]) {
      const time = times.get(wholeText(name));
      const until = time === undefined ? '' : `  (expires ${expiryWords(time)})`;
      yield t === 'hash'
        ? `${wholeText(name)}: ${wholeText(value)}${until}`
        : `${wholeText(value)}  ${wholeText(name)}`;
    }
  } else if (t === 'stream') {
    yield* formatStream(v as StreamValue);
  } else {
    for (const item of v as readonly Text[]) yield wholeText(item);
  }
}

/** Quotes an argument for a POSIX shell. */
function quoteForShell(word: string): string {
  return /^[\w:./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function* formatStream({ entries, groups, lastId }: StreamValue): Generator<string> {
  for (const [id, fields] of entries) yield `${id}  ${fields.map(wholeText).join(' ')}`;
  if (lastId !== undefined) yield `last id: ${lastId}`;
  for (const { consumers, lastId: delivered, name, pending } of groups ?? []) {
    const among = `${counted(consumers.length, 'consumer')}, ${pending.length} pending`;
    yield `group ${wholeText(name)}: delivered up to ${delivered}, ${among}`;
  }
}
