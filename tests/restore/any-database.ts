import fc, { anyCharacter } from '../support/fast-check.js';
import type { Command } from '../support/redis-calls.js';

const FAR = Date.parse('2100-01-01T00:00:00Z');

const odd = fc.constantFrom(
  '',
  '__proto__',
  'a\nb',
  '👩‍👩‍👧',
  '\ufeffbom',
  'é',
  '\u2028',
  'OK',
  '\\',
  '"',
  'null',
  '*',
  'equal or smaller',
);
/** Bytes of any kind, odd texts among them: names, fields, members and values. */
export const anyBytes = fc.oneof(
  odd.map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array)),
  fc.string({ unit: anyCharacter, maxLength: 20 }).map((text) => Buffer.from(text)),
);
export const someBytes = fc.array(anyBytes, { minLength: 1, maxLength: 8 });
/** As ZADD takes it. */
export const anyScore = fc.oneof(
  fc.constantFrom('inf', '-inf', '-0', '12345678.123456789', '9007199254740993', '1e-320', '1.7976931348623157e308'),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
);

type Make = (key: Buffer) => Command[];

/** Entries, groups at different places, consumers with and without pending entries; the last entry may be deleted. */
const stream: fc.Arbitrary<Make> = fc
  .record({
    at: fc.integer({ min: 1, max: 1_000_000 }),
    entries: fc.array(
      someBytes.map((fields) => [...fields, ...fields]),
      { minLength: 1, maxLength: 5 },
    ),
    group: anyBytes,
    read: fc.integer({ min: 0, max: 4 }),
    deletesLast: fc.boolean(),
  })
  .map(({ at, entries, group, read, deletesLast }) => (key) => {
    // What is pending and not in the stream any more is not kept: docs/format.md.
    const claimed = deletesLast ? Math.min(read, entries.length - 1) : read;
    return [
      ...entries.map((fields, index): Command => ['XADD', key, `${at}-${index + 1}`, ...fields]),
      ['XGROUP', 'CREATE', key, group, '0'],
      ['XGROUP', 'CREATE', key, Buffer.concat([group, Buffer.from('!')]), '$'],
      ...(claimed > 0
        ? [['XREADGROUP', 'GROUP', group, 'reader', 'COUNT', String(claimed), 'STREAMS', key, '>'] as Command]
        : []),
      ['XGROUP', 'CREATECONSUMER', key, group, 'idle'],
      ...(deletesLast ? [['XDEL', key, `${at}-${entries.length}`] as Command] : []),
    ];
  });

/** Some of the fields with a time of their own, which only newer servers know. */
const hashOfExpiring: fc.Arbitrary<Make> = fc
  .uniqueArray(fc.tuple(anyBytes, anyBytes, fc.boolean()), {
    minLength: 1,
    maxLength: 8,
    selector: ([field]) => field.toString('latin1'),
  })
  .map((fields) => (key) => {
    const expiring = fields.filter(([, , expires]) => expires).map(([field]) => field);
    return [
      ['HSET', key, ...fields.flatMap(([field, content]) => [field, content])],
      ...(expiring.length === 0
        ? []
        : [['HPEXPIREAT', key, String(FAR), 'FIELDS', String(expiring.length), ...expiring] as Command]),
    ];
  });

const values: readonly fc.Arbitrary<Make>[] = [
  anyBytes.map((v) => (key: Buffer): Command[] => [['SET', key, v]]),
  someBytes.map((v) => (key: Buffer): Command[] => [['RPUSH', key, ...v]]),
  someBytes.map((v) => (key: Buffer): Command[] => [['SADD', key, ...v]]),
  fc
    .array(fc.tuple(anyBytes, anyBytes), { minLength: 1, maxLength: 8 })
    .map((pairs) => (key: Buffer): Command[] => [['HSET', key, ...pairs.flat()]]),
  fc
    .array(fc.tuple(anyScore, anyBytes), { minLength: 1, maxLength: 8 })
    .map((pairs) => (key: Buffer): Command[] => [['ZADD', key, ...pairs.flat()]]),
  stream,
];
/** Words of the application's grammar, with values of any type under them. */
const applicationKey = fc
  .tuple(
    fc.constantFrom('project:', 'job:', 'user:projects:', 'feedback:created:', 'cluster:jobs:', 'clusters:'),
    fc.constantFrom('p', 'q', '__proto__', '*', 'p:all', 'é'),
  )
  .map((words) => Buffer.from(words.join('')));
const key = fc.oneof({ weight: 4, arbitrary: anyBytes }, { weight: 1, arbitrary: applicationKey });
const expiry = fc.option(fc.integer({ min: 0, max: 1e12 }).map((ms) => String(FAR + ms)));

export interface AnyDatabase {
  readonly keys: number;
  /** That make it, in an empty database. */
  readonly commands: readonly Command[];
}

/** Keys of any bytes, values of all types, some of them with an expiry after 2100; some fields as well, where that is known. */
export const anyDatabaseOf = ({ fieldExpiry }: { readonly fieldExpiry: boolean }): fc.Arbitrary<AnyDatabase> =>
  fc
    .uniqueArray(fc.tuple(key, fc.oneof(...values, ...(fieldExpiry ? [hashOfExpiring] : [])), expiry), {
      maxLength: 30,
      selector: ([name]) => name.toString('latin1'),
    })
    .map((keys) => ({
      keys: keys.length,
      commands: keys.flatMap(([name, commandsFor, at]): Command[] =>
        at === null ? commandsFor(name) : [...commandsFor(name), ['PEXPIREAT', name, at]],
      ),
    }));
