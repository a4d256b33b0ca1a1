import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { isSentJson, type RedisValue, type WireValue } from '../../lib/ports/redis.js';
import { parseBody, type Body } from '../../lib/services/upstash-redis/replies.js';
import { parseWireBody } from '../../lib/services/upstash-redis/sent-json.js';

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
