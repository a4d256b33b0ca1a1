import { connect } from '../app/connect.js';
import { protectedDatabase } from '../app/connect/database.js';
import { snapshotSettings } from '../app/settings.js';
import type { TtlUnit } from '../transfer/formats.js';
import { AppError } from '../errors.js';
import { AHEAD_MS } from '../snapshot/order.js';
import { stageFile, type Staged } from '../transfer/stage.js';
import type { Context } from './context.js';
import { count, counted, printable } from './output/format.js';

/** How a file is read. */
export interface FileOptions {
  readonly takenAt?: string;
  readonly ttlUnit?: TtlUnit;
  readonly database?: number;
}

const REPORTED = 100_000;

/** Reads and checks a file, and says what there is to know of it. The caller discards what comes back. */
export async function readFile(context: Context, path: string, options: FileOptions): Promise<Staged> {
  const ports = connect(context.env, ['clock', 'encryptor']);
  const { partBytes, skipTypes, tool } = snapshotSettings(context.env);
  const takenAt = options.takenAt === undefined ? null : Date.parse(options.takenAt);
  // What is left would count from a time that is to come: keys would live longer than they were to.
  if (takenAt !== null && takenAt > ports.clock.now() + AHEAD_MS) {
    throw new AppError('usage', `No file can have been made at ${options.takenAt ?? ''}, which is to come`, {
      hint: 'Give with --taken-at when the dump was made, or leave it out.',
    });
  }
  let reported = 0;
  context.note(`reading ${printable(path)}: nothing is written before all of it was checked`);
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
        if (keys < reported + REPORTED) return;
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

/** The options as words of a command, with a blank before each. */
export function fileWords({ database, takenAt, ttlUnit }: FileOptions): string {
  return [
    ...(takenAt === undefined ? [] : [` --taken-at ${takenAt}`]),
    ...(ttlUnit === undefined || ttlUnit === 'seconds' ? [] : [` --ttl-unit ${ttlUnit}`]),
    ...(database === undefined ? [] : [` --database ${database}`]),
  ].join('');
}
