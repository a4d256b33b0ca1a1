import { AppError } from '../../errors.js';
import { findKey, type KeyRecord } from '../../inspect/records.js';
import type { RecordLine, StreamValue } from '../../snapshot/record.js';
import { fromText, type Text } from '../../soulcaster/text.js';
import { keyText } from '../../soulcaster/selection.js';
import type { Context } from '../context.js';
import { counted, wholeText } from '../output/format.js';
import { lineOutput, type LineOutput } from '../output/lines.js';
import { facts } from '../output/table.js';
import { expiryWords } from './ls.js';
import { openWanted, type InspectOptions } from './open.js';

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
  const head: [string, string][] = [
    ['key', wholeText(first.k)],
    ['type', first.t],
    ['family', known.family],
    ...(known.project === null ? [] : [['project', wholeText(known.project)] as [string, string]]),
    ['expires', expiryWords(first.x ?? null)],
  ];
  await out.write(`${facts(head)}\n`);
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
