import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import type { RedisValue } from '../../lib/ports/redis.js';
import { parseBody } from '../../lib/services/upstash-redis/replies.js';

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
