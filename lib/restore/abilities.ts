import { z } from 'zod';
import { toArgument, compareExpiry, MAX_FIELD_EXPIRY, type ExpiryTime, type RecordLine } from '../snapshot/record.js';
import { fromText, type Text } from '../soulcaster/text.js';
import { ledgerKeySchema } from '../snapshot/manifest.js';
import { AppError } from '../errors.js';
import type { RedisPort, RedisReply } from '../ports/redis.js';
import { absentKey, runOne } from '../redis/run-one.js';
import { isFull } from '../redis/at-once.js';
import { PAGE_BYTES, textsOf } from './write/size.js';
import type { TargetRecord } from './model.js';

/** What writing one record requires of the target. */
export interface Needs {
  readonly json: boolean;
  /** Whether scripts write it: it holds bytes that are not text, or an element larger than a page. */
  readonly binary: boolean;
  /** The latest expiry of a field; null when no field expires. */
  readonly fieldExpiry: ExpiryTime | null;
  readonly expiry: ExpiryTime | null;
  /** The least memory that the record takes in the target, in bytes. */
  readonly bytes: number;
}

/** Measures what records need while another reader consumes them. */
interface NeedsMeter {
  /** The same records, whose lines are measured as they are read. */
  measureAll(records: AsyncIterable<TargetRecord>): AsyncGenerator<TargetRecord>;
  /** Complete once the record's `rest` was read. */
  needsOf(record: TargetRecord): Needs;
}

interface Measured {
  fieldExpiry: ExpiryTime | null;
  binary: boolean;
  bytes: number;
}

export function needsMeter(): NeedsMeter {
  const measured = new WeakMap<TargetRecord, Measured>();
  return {
    async *measureAll(records) {
      for await (const record of records) {
        const sum: Measured = {
          fieldExpiry: null,
          binary: typeof record.first.k !== 'string',
          bytes: fromText(record.first.k).length,
        };
        measure(sum, record.first);
        const metered = record.rest === null ? record : { ...record, rest: measureLines(record.rest, sum) };
        measured.set(metered, sum);
        yield metered;
      }
    },
    needsOf(record) {
      const { fieldExpiry, binary, bytes } = measured.get(record) ?? { fieldExpiry: null, binary: false, bytes: 0 };
      return { json: record.first.t === 'json', binary, fieldExpiry, expiry: record.first.x ?? null, bytes };
    },
  };
}

async function* measureLines(lines: AsyncIterable<RecordLine>, sum: Measured): AsyncGenerator<RecordLine> {
  for await (const line of lines) {
    measure(sum, line);
    yield line;
  }
}

function measure(sum: Measured, line: RecordLine): void {
  for (const text of textsOf(line.v)) {
    sum.bytes += leastBytes(text);
    // Strings of any size are written in pieces, without a script.
    sum.binary ||= typeof text !== 'string' || (line.t !== 'string' && Buffer.byteLength(text) > PAGE_BYTES);
  }
  for (const [, time] of line.fx ?? []) {
    if (sum.fieldExpiry === null || compareExpiry(time, sum.fieldExpiry) > 0) sum.fieldExpiry = time;
  }
}

const DECIMAL = /^-?\d{1,20}$/;

/** Redis stores decimal numbers in about 40% of their length, everything else as it is. */
function leastBytes(text: Text): number {
  if (typeof text !== 'string') return fromText(text).length;
  return text.length <= 20 && DECIMAL.test(text) ? Math.floor(text.length * 0.4) : Buffer.byteLength(text);
}

/**
 * What a target can lack: `json`, JSON documents; `binary`, scripts, which write bytes that are not text, elements
 * larger than a page, and lists of more than one page; `field-expiry`, expiry of single hash fields; `expiry-range`, a
 * key's expiry as late as the record's; `field-expiry-range`, a field's.
 */
const LACKS = ['json', 'binary', 'field-expiry', 'expiry-range', 'field-expiry-range'] as const;
export type LackCode = (typeof LACKS)[number];

/** How many of the keys to write need the ability, and the first names. */
export const lackSchema = z.object({
  code: z.enum(LACKS),
  count: z.number(),
  names: z.array(ledgerKeySchema),
});
type Lack = z.infer<typeof lackSchema>;

const WORDS: Record<LackCode, { readonly what: string; readonly drops: boolean }> = {
  json: { what: 'JSON documents (JSON.SET)', drops: false },
  binary: {
    what: 'or allow scripts (EVAL), which write values that are not text or are too large for a request',
    drops: false,
  },
  'field-expiry': { what: 'hash fields that expire by themselves (HPEXPIREAT)', drops: true },
  'expiry-range': { what: 'an expiry as late as that of some keys (PEXPIREAT)', drops: true },
  'field-expiry-range': { what: 'an expiry as late as that of some hash fields (HPEXPIREAT)', drops: true },
};

/** Names the missing ability, how many keys need it and the first of them; `name` renders a key. */
export function lackWords({ code, count, names }: Lack, name: (key: Lack['names'][number]) => string): string {
  const first = names.slice(0, SHOWN).map(name).join(', ');
  const more = count > Math.min(SHOWN, names.length) ? ', ...' : '';
  return `${WORDS[code].what}, needed by ${count} ${count === 1 ? 'key' : 'keys'} (${first}${more})`;
}

const SHOWN = 3;

/** The hint for all of the lacks together. */
export function lackHint(lacks: readonly Lack[], isDrill: boolean): string {
  if (isDrill) return SCRATCH_HINT;
  const elsewhere = 'Restore to a server that has it: set RESTORE_TARGET_<NAME>_REST_URL and _TOKEN, and give --target';
  return lacks.every(({ code }) => WORDS[code].drops)
    ? `Use --ttl drop: then restored keys do not expire. Or: ${elsewhere}.`
    : `${elsewhere}.`;
}

/** A drill has no options: its scratch database must take whatever the protected one holds. */
export const SCRATCH_HINT =
  'Set DRILL_REDIS_REST_URL and DRILL_REDIS_REST_TOKEN to a database of the same kind and size as the protected one, and drill again.';

/** What the target of a restore can do, found out once and with read commands only. */
export const abilitiesSchema = z.object({
  json: z.boolean(),
  fieldExpiry: z.boolean(),
  /** Whether the target refuses writes, as Redis does at its memory limit without eviction. */
  full: z.boolean(),
  /** In bytes; null when the target does not report it or has no limit. `evicts`: a full target evicts keys. */
  memory: z.object({ used: z.number(), limit: z.number(), evicts: z.boolean() }).nullable(),
});
type Abilities = z.infer<typeof abilitiesSchema>;

export async function probeAbilities(redis: RedisPort): Promise<Abilities> {
  const key = absentKey();
  const [json, fields, info] = await redis.pipeline([
    ['JSON.TYPE', key],
    ['HPEXPIRETIME', key, 'FIELDS', 1, 'f'],
    ['INFO', 'memory'],
  ]);
  const memory = memoryOf(info);
  return { json: hasValue(json), fieldExpiry: hasValue(fields), full: await refusesMulti(redis), memory };
}

/** Redis refuses MULTI itself, whatever it contains, once memory is full and eviction is off. */
async function refusesMulti(redis: RedisPort): Promise<boolean> {
  try {
    await redis.transaction([['EXISTS', absentKey()]]);
    return false;
  } catch (error) {
    if (isFull(error)) return true;
    throw error;
  }
}

function hasValue(reply: RedisReply | undefined): boolean {
  return reply !== undefined && 'value' in reply;
}

function memoryOf(reply: RedisReply | undefined): Abilities['memory'] {
  if (reply === undefined || 'error' in reply || !Buffer.isBuffer(reply.value)) return null;
  const text = reply.value.toString('latin1');
  const number = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(text)?.[1] ?? NaN);
  const [used, limit] = [number('used_memory'), number('maxmemory')];
  if (Number.isNaN(used) || Number.isNaN(limit) || limit === 0) return null;
  return { used, limit, evicts: !/^maxmemory_policy:noeviction/m.test(text) };
}

/** Finds what the target lacks for a record. Unusual abilities are probed on demand and remembered. */
export interface LackFinder {
  find(needs: Needs): Promise<LackCode[]>;
}

export function lackFinder(redis: RedisPort, abilities: Abilities): LackFinder {
  let scripts: Promise<boolean> | null = null;
  const acceptsExpiry = expiryRangeProbe(redis, (time) => ['PEXPIREAT', absentKey(), toArgument(time)]);
  const acceptsFieldExpiry = expiryRangeProbe(redis, (time) => [
    'HPEXPIREAT',
    absentKey(),
    toArgument(time),
    'FIELDS',
    1,
    'f',
  ]);
  return {
    async find({ json, binary, fieldExpiry, expiry }) {
      const found: LackCode[] = [];
      if (json && !abilities.json) found.push('json');
      if (binary && !(await (scripts ??= allowsScripts(redis)))) found.push('binary');
      if (expiry !== null && !(await acceptsExpiry(expiry))) found.push('expiry-range');
      if (fieldExpiry !== null && !abilities.fieldExpiry) found.push('field-expiry');
      else if (fieldExpiry !== null && !(await acceptsFieldExpiry(fieldExpiry))) found.push('field-expiry-range');
      return found;
    },
  };
}

const DENIED = /^NOPERM|unknown command|not available/i;

/** An ACL may deny scripts to a user; only running a script shows this. */
async function allowsScripts(redis: RedisPort): Promise<boolean> {
  try {
    const reply = await runOne(redis, (sdk) => sdk.eval('#!lua flags=no-writes\nreturn 1', [], []));
    return 'value' in reply || !DENIED.test(reply.error);
  } catch (error) {
    if (error instanceof AppError && error.code === 'redis-denied') return false;
    throw error;
  }
}

/** Whether the target accepts a time; all servers accept up to 2^46 ms. Probes an absent key, so nothing is changed. */
function expiryRangeProbe(
  redis: RedisPort,
  command: (time: ExpiryTime) => [name: string, ...args: (string | number)[]],
): (time: ExpiryTime) => Promise<boolean> {
  let accepted: ExpiryTime = MAX_FIELD_EXPIRY;
  let refused: ExpiryTime | null = null;
  return async (time) => {
    if (compareExpiry(time, accepted) <= 0) return true;
    if (refused !== null && compareExpiry(time, refused) >= 0) return false;
    // The SDK's typed methods round times beyond JavaScript's safe integers.
    const reply = await runOne(redis, (sdk) => sdk.exec(command(time)));
    // NOPERM is reported when the first write fails.
    const isRefused = 'error' in reply && !/^NOPERM/.test(reply.error);
    if (isRefused) refused = time;
    else accepted = time;
    return !isRefused;
  };
}
