import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Embedder } from '../../lib/ports/embedder.js';

export interface OpenEmbedder {
  readonly embedder: Embedder;
  readonly close: () => Promise<void>;
}

const LOGIN = 'Cannot log in: the sign-in button does nothing in Safari';
const SIGN_IN = 'Signing in fails in the Safari browser, nothing happens after I click login';
const EXPORT = 'Please add an export of the monthly invoices as a spreadsheet';
const INVOICES = 'It would be great to download our invoices to Excel every month';

const UNICODE = [
  'Überprüfung der Größe schlägt fehl',
  '登录按钮没有反应',
  'زر تسجيل الدخول لا يعمل',
  '🙂🙃 👩‍👩‍👧‍👦 emoji crash',
  'e\u0301 and \u00e9 differ only in their form',
  'two\nlines\twith "quotes" and \\ backslashes\u2028',
];

/** The contract of every Embedder. `open` is called once; about 120 texts are embedded. */
export function embedderContract(name: string, open: () => Promise<OpenEmbedder>): void {
  describe(`Embedder: ${name}`, () => {
    let opened: OpenEmbedder;
    const embed = (...texts: string[]): Promise<Float32Array[]> => opened.embedder.embed(texts);

    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened.close());

    it('returns one vector of the requested dimension for one text', async () => {
      const vectors = await embed(LOGIN);
      expect(vectors.map(({ length }) => length)).toEqual([opened.embedder.dimensions]);
      expect(vectors[0]).toBeInstanceOf(Float32Array);
      expect(lengthOf(vectors[0])).toBeGreaterThan(0);
    });

    it('places related texts nearer to each other than unrelated ones', async () => {
      const [login, signIn, wish, invoices] = await embed(LOGIN, SIGN_IN, EXPORT, INVOICES);
      const unrelated = Math.max(cosine(login, wish), cosine(login, invoices), cosine(signIn, wish));
      expect(cosine(login, signIn)).toBeGreaterThan(unrelated);
      expect(cosine(wish, invoices)).toBeGreaterThan(unrelated);
    });

    it('keeps the order of the texts, including repeated ones', async () => {
      const [login, wish, again] = await embed(LOGIN, EXPORT, LOGIN);
      const [wishFirst, loginLast] = await embed(EXPORT, LOGIN);
      expect(cosine(login, again)).toBeGreaterThan(0.999);
      expect(cosine(login, loginLast)).toBeGreaterThan(0.999);
      expect(cosine(wish, wishFirst)).toBeGreaterThan(0.999);
      expect(cosine(login, wish)).toBeLessThan(0.99);
    });

    it('accepts any Unicode text', async () => {
      const vectors = await embed(...UNICODE);
      expect(vectors.map(lengthOf).every((length) => length > 0 && Number.isFinite(length))).toBe(true);
      expect(new Set(vectors.map(String)).size).toBe(UNICODE.length);
    });

    it('accepts a text that is longer than the model reads', async () => {
      const [long] = await embed(`${LOGIN}. `.repeat(400));
      expect(long?.length).toBe(opened.embedder.dimensions);
    });

    it('accepts at most 100 texts', async () => {
      const texts = Array.from({ length: 100 }, (_, index) => `Report ${index} of a crash`);
      const vectors = await embed(...texts);
      expect(vectors.map(({ length }) => length)).toEqual(texts.map(() => opened.embedder.dimensions));
      expect(new Set(vectors.map(String)).size).toBe(100);
      await expect(embed(...texts, 'one more')).rejects.toMatchObject({ code: 'internal' });
    });

    it('refuses a call without a text', async () => {
      await expect(embed()).rejects.toMatchObject({ code: 'internal' });
    });

    it('refuses a call with an empty text', async () => {
      await expect(embed(LOGIN, '')).rejects.toMatchObject({ code: 'embedder-refused', transient: false });
    });
  });
}

function lengthOf(vector: Float32Array | undefined): number {
  return Math.hypot(...(vector ?? []));
}

/** Cosine of the angle between two vectors of any length. */
function cosine(left: Float32Array | undefined, right: Float32Array | undefined): number {
  if (left === undefined || right === undefined) return NaN;
  const product = left.reduce((sum, value, index) => sum + value * (right[index] ?? NaN), 0);
  return product / (lengthOf(left) * lengthOf(right));
}
