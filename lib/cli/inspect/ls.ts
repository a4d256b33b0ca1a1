import { listKeys, type ListedKey } from '../../inspect/list.js';
import type { Context } from '../context.js';
import { bytes, count, counted, wholeText } from '../output/format.js';
import { lineOutput } from '../output/lines.js';
import { openWanted, selectionOf, type InspectOptions } from './open.js';
import { selectionWords } from '../../soulcaster/selection-words.js';

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
