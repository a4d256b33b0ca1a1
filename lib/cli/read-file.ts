import { connect } from '../app/connect.js';
import { protectedDatabase } from '../app/connect/database.js';
import { snapshotSettings } from '../app/settings.js';
import type { TtlUnit } from '../transfer/formats.js';
import { AppError } from '../errors.js';
import { AHEAD_MS } from '../snapshot/order.js';
import { stageFile, type Staged } from '../transfer/stage.js';
import type { Context } from './context.js';
import { count, counted, printable } from './output/format.js';

/** Options for reading a file. */
export interface FileOptions {
  readonly takenAt?: string;
  readonly ttlUnit?: TtlUnit;
  readonly database?: number;
}

const REPORT_EVERY_KEYS = 100_000;

/** Reads and checks a file, and prints progress and remarks. The caller has to discard the result. */
export async function readInputFile(context: Context, path: string, options: FileOptions): Promise<Staged> {
  const ports = connect(context.env, ['clock', 'encryptor']);
  const { partBytes, skipTypes, tool } = snapshotSettings(context.env);
  const takenAt = options.takenAt === undefined ? null : Date.parse(options.takenAt);
  // Remaining times would count from a future time, so keys would live too long.
  if (takenAt !== null && takenAt > ports.clock.now() + AHEAD_MS) {
    throw new AppError('usage', `The time of --taken-at, ${options.takenAt ?? ''}, is in the future`, {
      hint: 'Give the time at which the dump was made, or omit --taken-at.',
    });
  }
  let reported = 0;
  context.note(`reading ${printable(path)}: nothing is written before the whole file was checked`);
  const staged = await stageFile(
    ports,
    {
      path,
      takenAt,
      ttlUnit: options.ttlUnit ?? 'seconds',
      database: options.database ?? null,
    },
    {
      partBytes,
      skipTypes,
      tool,
      owner: protectedDatabase(context.env).source,
      signal: context.interrupt,
      onProgress(keys) {
        if (keys < reported + REPORT_EVERY_KEYS) return;
        reported = keys;
        context.note(`  ${count(keys)} keys read`);
      },
    },
  );
  const { body, remarks } = staged;
  context.note(`  ${counted(body.counts.keys, 'key')}, ${body.imported?.format ?? ''}`);
  for (const remark of remarks) context.note(`note: ${remark}`);
  return staged;
}

/** The options as command-line text, with a space before each. */
export function fileOptionsText({ database, takenAt, ttlUnit }: FileOptions): string {
  return [
    ...(takenAt === undefined ? [] : [` --taken-at ${takenAt}`]),
    ...(ttlUnit === undefined || ttlUnit === 'seconds' ? [] : [` --ttl-unit ${ttlUnit}`]),
    ...(database === undefined ? [] : [` --database ${database}`]),
  ].join('');
}
