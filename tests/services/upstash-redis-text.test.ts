import { describe, expect, it } from '@jest/globals';
import fc, { anyCharacter } from '../support/fast-check.js';
import { encodeBatch } from '../../lib/services/upstash-redis/arguments.js';
import { redactErrorText } from '../../lib/services/upstash-redis/error-text.js';
import { parseRetryAfter } from '../../lib/services/retry.js';
import { parseBody } from '../../lib/services/upstash-redis/replies.js';
import type { RedisValue } from '../../lib/ports/redis.js';

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
