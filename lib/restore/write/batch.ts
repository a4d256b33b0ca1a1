import type { RedisArgument, SentCommand } from '../../ports/redis.js';
import { fitsSet, toArgument as timeArgument } from '../../snapshot/record.js';
import { itemCommands } from './commands.js';
import { valuesOf } from './errors.js';
import { writeMissing } from './missing.js';
import { addCounts, NO_COUNTS, type BatchItem, type WriteCounts, type Writer } from './model.js';
import { attachKey } from './refusal.js';
import { textOf } from './size.js';

export interface Batch {
  readonly items: readonly BatchItem[];
  /** Keys that must not be in the target. */
  readonly expired: readonly RedisArgument[];
}

/** Writes a batch according to the mode. An error about the whole batch names the batch's first key. */
export async function writeBatch(writer: Writer, batch: Batch): Promise<WriteCounts> {
  try {
    return await writeWhole(writer, batch);
  } catch (error) {
    throw attachKey(batch.items[0]?.key ?? batch.expired[0] ?? '', error);
  }
}

async function writeWhole(writer: Writer, batch: Batch): Promise<WriteCounts> {
  if (batch.items.some(({ line }) => line.fx !== undefined)) await writer.needFieldExpiry();
  const expired = batch.expired.length;
  if (writer.mode === 'missing') return addCounts(await writeMissing(writer, batch.items), { ...NO_COUNTS, expired });
  return { ...(await writeOver(writer, batch)), expired };
}

/** Writes in one transaction that can run twice: it removes all values to overwrite with one command. */
async function writeOver({ wire, mode }: Writer, { items, expired }: Batch): Promise<WriteCounts> {
  const removes = mode === 'replace' && expired.length > 0;
  const commands: SentCommand[] = removes ? [['UNLINK', ...expired]] : [];
  // SET and MSET replace a value of any type, with its expiry.
  const collections = items.filter(({ line }) => line.t !== 'string');
  if (collections.length > 0) commands.push(['UNLINK', ...collections.map(({ key }) => key)]);
  commands.push(...stringCommands(items));
  for (const item of collections) {
    const { key, line } = item;
    commands.push(...itemCommands(key, item));
    if (line.x !== undefined) commands.push(['PEXPIREAT', key, timeArgument(line.x)]);
  }
  if (commands.length === 0) return NO_COUNTS;
  const [first] = valuesOf(await wire.transaction(commands), commands);
  return {
    ...NO_COUNTS,
    written: items.length,
    removed: removes ? Number(first) : 0,
    bytes: items.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

function stringCommands(items: readonly BatchItem[]): SentCommand[] {
  const lasting: SentCommand[number][] = [];
  const commands: SentCommand[] = [];
  for (const item of items) {
    const { key, line } = item;
    if (line.t !== 'string') continue;
    const value = textOf(item);
    if (line.x === undefined) lasting.push(key, value);
    else if (fitsSet(line.x)) commands.push(['SET', key, value, 'PXAT', timeArgument(line.x)]);
    else commands.push(['SET', key, value], ['PEXPIREAT', key, timeArgument(line.x)]);
  }
  if (lasting.length > 0) commands.push(['MSET', ...lasting]);
  return commands;
}
