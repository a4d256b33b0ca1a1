import { listKeys, type ListedKey } from '../../inspect/list.js';
import type { Context } from '../context.js';
import { bytes, count, counted, wholeText } from '../output/format.js';
import { lineOutput } from '../output/lines.js';
import { openWanted, selectionOf, type InspectOptions } from './open.js';
import { selectionWords } from '../../soulcaster/selection-words.js';

export interface LsOptions extends InspectOptions {
  readonly long?: boolean;
}

/** `ls`: the keys of a snapshot, one a line. With --json each as JSON on a line, and last `{snapshot, keys}`. */
export async function ls(context: Context, wanted: string, options: LsOptions): Promise<number> {
  const selection = selectionOf(options);
  const snapshot = await openWanted(context, wanted, options);
  const out = lineOutput();
  let keys = 0;
  for await (const key of listKeys(snapshot, selection)) {
    if (out.isClosed() || context.interrupt.aborted) break;
    keys += 1;
    const room = out.write(
      context.json ? JSON.stringify(key) : options.long === true ? longLine(key) : wholeText(key.key),
    );
    if (room !== undefined) await room;
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

/** A time as ISO 8601; one that no calendar has as its milliseconds, `-` for a key that stays. */
export function expiryWords(expiresAt: ListedKey['expiresAt']): string {
  if (expiresAt === null) return '-';
  const date = new Date(Number(expiresAt));
  return Number.isNaN(date.getTime()) ? String(expiresAt) : date.toISOString();
}
