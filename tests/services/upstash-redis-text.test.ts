import { describe, expect, it } from '@jest/globals';
import { isSentJson, type RedisValue, type WireValue } from '../../lib/ports/redis.js';
import { parseRetryAfter } from '../../lib/services/retry.js';
import { encodeBatch } from '../../lib/services/upstash-redis/arguments.js';
import { redactErrorText } from '../../lib/services/upstash-redis/failures.js';
import { type Body, parseBody, parseWireBody } from '../../lib/services/upstash-redis/replies.js';
import fc, { anyCharacter } from '../support/fast-check.js';

describe('redactErrorText', () => {
  it.each([
    ["ERR wrong number of arguments for 'get' command", ['GET'], 'ERR wrong number of arguments for GET command'],
    ["ERR unknown command 'FOO', with args beginning with: 'k1' 'v1'", ['FOO', 'k1', 'v1'], 'ERR unknown command FOO'],
    ["NOGROUP No such key 'a'b' or group 'g'", ['XREADGROUP', "a'b", 'g'], 'NOGROUP No such key ...'],
    ["READONLY You can't write", ['SET', 'k', 'v'], "READONLY You can't write"],
    ['ERR bad value: hunter22 at 1', ['SET', 'k', 'hunter22'], 'ERR bad value: ... at 1'],
    ['ERR open "quote', ['SET', 'k', 'v'], 'ERR open ...'],
    ['ERR two\r\nlines\u0007', ['SET', 'k', 'v'], 'ERR two lines'],
    [
      'ERR max request size exceeded. Limit: 10 bytes, Actual: 11 bytes',
      ['HGET', 'size', 'Limit'],
      'ERR max request size exceeded. Limit: 10 bytes, Actual: 11 bytes',
    ],
  ] as const)('%s', (text, command, expected) => {
    expect(redactErrorText(text, [command])).toBe(expected);
  });

  it('never holds an argument that the server quoted, whatever it is', () => {
    const argument = fc.string({ minLength: 4, maxLength: 30, unit: 'grapheme' }).map((text) => `arg-${text}`);
    fc.assert(
      fc.property(argument, fc.constantFrom("'", '"', '`', ''), (arg, quote) => {
        const text = redactErrorText(`ERR no such thing ${quote}${arg}${quote} in ${arg}`, [['GET', arg]]);
        expect(text).not.toContain(arg.trim());
        expect(text).toMatch(/^ERR no such thing/);
      }),
    );
  });
});

describe('parseBody', () => {
  const leaf = fc.oneof(
    fc.uint8Array({ maxLength: 12 }).map((bytes): RedisValue => Buffer.from(bytes)),
    fc.maxSafeInteger().map((number): RedisValue => number),
    fc.constant<RedisValue>(null),
  );
  const { value } = fc.letrec<{ value: RedisValue }>((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie('value'), { maxLength: 4 })),
  }));
  const toJson = (item: RedisValue): unknown => {
    if (Buffer.isBuffer(item)) return item.toString('base64');
    return Array.isArray(item) ? item.map(toJson) : item;
  };

  it('returns every value that base64 JSON can carry', () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1 }), fc.boolean(), (values, spaced) => {
        const body = JSON.stringify(
          values.map((item) => ({ result: toJson(item) })),
          null,
          spaced ? 2 : 0,
        );
        expect(parseBody(Buffer.from(body))).toEqual({ items: values.map((item) => ({ value: item })) });
      }),
    );
  });

  it('returns integers of any length digit by digit, next to error texts that look like them', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.string(), (integer, noise) => {
        const error = `ERR [${integer.toString()},1.5 "${noise}`;
        const body = `[{"result":[${integer.toString()},"T0s=","OK"]},{"error":${JSON.stringify(error)}}]`;
        const safe = integer >= Number.MIN_SAFE_INTEGER && integer <= Number.MAX_SAFE_INTEGER;
        const expected = safe ? Number(integer) : integer;
        expect(parseBody(Buffer.from(body))).toEqual({
          items: [{ value: [expected, Buffer.from('OK'), Buffer.from('OK')] }, { error }],
        });
      }),
    );
  });

  it('returns fractions as they were written', () => {
    expect(parseBody(Buffer.from('[{"result":[1.50,-2E+3]}]'))).toEqual({
      items: [{ value: [Buffer.from('1.50'), Buffer.from('-2E+3')] }],
    });
  });
});

describe('encodeBatch', () => {
  it('sends text as it is and counts a command each', () => {
    const bytes = new Uint8Array([0xc3, 0xa4, 0x22]);
    const { body, billed } = encodeBatch([['SET', bytes, 1.5], ['PING']]);
    expect(JSON.parse(body.toString('utf8'))).toEqual([['SET', 'ä"', '1.5'], ['PING']]);
    expect(billed).toBe(2);
  });

  it('writes what JSON.stringify makes of the texts, whatever is in them', () => {
    const text = fc.oneof(fc.string({ unit: anyCharacter }), fc.constant('long "ä"\n\u007f'.repeat(9000)));
    const argument = fc.oneof(
      text,
      text.map((each) => Buffer.from(each)),
      fc.double(),
      fc.maxSafeInteger(),
    );
    const textOf = (each: unknown): string => (Buffer.isBuffer(each) ? each.toString('utf8') : String(each));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('GET', 'SET'), argument, argument), { maxLength: 4 }),
        (commands) => {
          const { body, billed } = encodeBatch(commands);
          const texts = commands.map((command) => command.map(textOf));
          expect(body.toString('utf8')).toBe(Buffer.from(JSON.stringify(texts)).toString('utf8'));
          expect(billed).toBe(commands.length);
        },
      ),
    );
  });

  it('leaves nothing of a command that turned out to be binary', () => {
    const { body, scripts } = encodeBatch([
      ['GET', 'a'],
      ['SET', 'b', Buffer.from([0x62, 0xff])],
      ['GET', 'c'],
    ]);
    const commands = JSON.parse(body.toString('utf8')) as string[][];
    expect(commands.map((command) => command.length)).toEqual([2, 7, 2]);
    expect(commands[1]?.slice(2)).toEqual(['0', 'ttx', 'SET', 'b', '62ff']);
    expect(scripts).toEqual([1]);
  });

  it('takes the bytes of a view, not of what lies under it', () => {
    const view = new Uint8Array([1, 2, 0xff, 0xfe, 3]).subarray(2, 4);
    const { body, billed } = encodeBatch([['GET', view]]);
    expect((JSON.parse(body.toString('utf8')) as string[][])[0]?.slice(2)).toEqual(['0', 'tx', 'GET', 'fffe']);
    expect(billed).toBe(2);
  });

  it('refuses a binary command that no script could take', () => {
    const members = Array.from({ length: 7_000 }, () => Buffer.from([0xff]));
    expect(() => encodeBatch([['RPUSH', 'key', ...members]])).toThrow(
      expect.objectContaining({ code: 'redis-reply-too-large', hint: expect.stringContaining('7000') }),
    );
  });
});

describe('parseRetryAfter', () => {
  const now = Date.parse('2026-11-20T02:00:00Z');
  it.each([
    [null, undefined],
    ['7', 7_000],
    ['0', 0],
    ['Fri, 20 Nov 2026 02:00:30 GMT', 30_000],
    ['Fri, 20 Nov 2026 01:00:00 GMT', 0],
    ['soon', undefined],
  ])('%s', (header, expected) => {
    expect(parseRetryAfter(header, now)).toBe(expected);
  });
});

const LIMIT = 2n ** 63n;
const integer = fc.oneof(
  fc.bigInt({ min: -LIMIT, max: LIMIT - 1n }),
  fc.bigInt({ min: 2n ** 53n - 3n, max: 2n ** 53n + 3n }),
);
const digits = fc.constantFrom('9007199254740993', '12345678901234567890', '"9007199254740993"', '\\', '1e400', 'OK#');
const bytes = fc.oneof(digits, fc.string()).map((text) => Buffer.from(text));

type Sample = bigint | Buffer | null | Sample[];
const sample: fc.Arbitrary<Sample> = fc.letrec<{ value: Sample }>((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, integer, bytes, fc.constant(null), fc.array(tie('value'), { maxLength: 5 })),
})).value;

function encode(value: Sample): string {
  if (Array.isArray(value)) return `[${value.map(encode).join(',')}]`;
  return Buffer.isBuffer(value) ? `"${value.toString('base64')}"` : String(value);
}

function expected(value: Sample): RedisValue {
  if (Array.isArray(value)) return value.map(expected);
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

describe('integers in an answer', () => {
  it('come with all their digits, beside strings that hold digits', () => {
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 6 }), fc.string(), (values, error) => {
        const items = [...values.map((value) => `{"result":${encode(value)}}`), `{"error":${JSON.stringify(error)}}`];
        const body = parseBody(Buffer.from(`[${items.join(',')}]`));
        expect(body).toEqual({ items: [...values.map((value) => ({ value: expected(value) })), { error }] });
      }),
    );
  });

  it('are read beside a string of megabytes', () => {
    const long = Buffer.alloc(6 * 1024 * 1024, '9007199254740993');
    const body = parseBody(Buffer.from(`[{"result":"${long.toString('base64')}"},{"result":9223372036854775807}]`));
    const [first, second] = 'items' in body ? body.items : [];
    expect(first !== undefined && 'value' in first && long.equals(first.value as Buffer)).toBe(true);
    expect(second).toEqual({ value: 9223372036854775807n });
  });
});

const base64 = fc.uint8Array({ maxLength: 12 }).map((bytes) => `"${Buffer.from(bytes).toString('base64')}"`);
const number = fc.oneof(
  fc.constantFrom('0', '-0', '-1', '-2', '007', '1e3', '1.5', '-', '9007199254740993', '999999999999999'),
  fc.maxSafeInteger().map(String),
);
const value = fc.oneof(
  base64,
  number,
  fc.constantFrom('null', '"OK"', '[]', '[[]]', '"]},{"', '"a\\"b"', 'true', '{}', '"\\u0041QID"', '', ' null', '"\\'),
  fc.array(fc.oneof(base64, fc.constant('null'), number), { maxLength: 4 }).map((all) => `[${all.join(',')}]`),
);
const item = fc.oneof(
  { weight: 8, arbitrary: value.map((each) => `{"result":${each}}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('{"error":"WRONGTYPE x"}', '{}', '{ "result":1}', '{"result":1,"x":2}', '1'),
  },
);
const bodies = fc
  .tuple(fc.array(item, { maxLength: 5 }), fc.constantFrom(']', ']\n', ']]', '', ',]', ']\n\n', '] x'))
  .map(([items, end]) => `[${items.join(',')}${end}`);

/** With a byte of it changed, which may be anything: a body that came damaged, or from something else. */
const changed = fc
  .tuple(bodies, fc.nat(), fc.constantFrom(...Buffer.from('"[]{},:\\ 0-nA=\n')))
  .map(([body, place, byte]) => {
    const bytes = Buffer.from(body);
    if (bytes.length > 0) bytes[place % bytes.length] = byte;
    return bytes.toString('latin1');
  });

function decoded(found: WireValue): RedisValue {
  return isSentJson(found) ? found.decode() : found;
}

/** Every value to its end, by its elements where it is a list; null for what is not the protocol's. */
function read(body: string, parse: (bytes: Buffer) => Body<WireValue>, byElements: boolean): unknown {
  try {
    const parsed = parse(Buffer.from(body, 'latin1'));
    if ('error' in parsed) return parsed;
    return parsed.items.map((each) => {
      if ('error' in each) return each;
      const { value: sent } = each;
      const isList = isSentJson(sent) && sent.json[sent.from] === '['.charCodeAt(0);
      return { value: byElements && isList ? sent.elements().map(decoded) : decoded(sent) };
    });
  } catch {
    return null;
  }
}

describe('an answer of which strings and lists are left as they were sent', () => {
  it.each([
    ['as Upstash writes it', bodies],
    ['with a byte changed', changed],
  ])('means what JSON.parse reads, %s', (_name, arbitrary) => {
    let whole = 0;
    fc.assert(
      fc.property(arbitrary, (body) => {
        const expected = read(body, parseBody, false);
        if (expected !== null) whole += 1;
        expect(read(body, parseWireBody, false)).toEqual(expected);
        expect(read(body, parseWireBody, true)).toEqual(expected);
      }),
      { numRuns: 3000 },
    );
    expect(whole).toBeGreaterThan(100);
  });

  it('makes no value of a string or list', () => {
    const body = parseWireBody(
      Buffer.from('[{"result":"YQ=="},{"result":["YQ==","Yg=="]},{"result":-1},{"result":null}]'),
    );
    const values = 'items' in body ? body.items.map((each) => ('value' in each ? each.value : each)) : [];
    expect(values.map((each) => isSentJson(each as WireValue))).toEqual([true, true, false, false]);
    expect(values.slice(2)).toEqual([-1, null]);
  });
});
