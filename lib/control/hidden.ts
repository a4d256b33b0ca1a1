import { decodeJson, encodeJson } from '../json.js';
import type { ControlCipher } from './cipher.js';

/*
 * What may hold ids of projects, users, jobs or clusters in a control object, and so is encrypted where snapshots are. What
 * runs alone read is encrypted whole. In a run's record, and where texts stand beside figures that must outlive a change of
 * the secret, only those are, in one more field `details`. The other objects hold no ids.
 */

/** In the place of texts that cannot be read here. */
export const HIDDEN_WORDS = 'The details are encrypted with another key';

const RUNS = 'runs/';
const RUN_RECORD = /^runs\/[^/]+\/run\.json$/;
const WITH_TEXTS =
  /^(catalog|guard\/(state(-[^/]+)?|sources|pins|databases\/[^/]+)|drills\/[^/]+|snapshots\/[^/]+\/accepted)\.json$/;
const TEXTS: ReadonlySet<string> = new Set(['message', 'hint', 'detail', 'reason']);

/** Of a run's record, what is hidden, but for what is needed without the secret: it says what is in use, and what failed. */
const HIDDEN_FIELDS: Readonly<Record<string, readonly string[]>> = {
  input: ['snapshot', 'trigger', 'dryRun'],
  checkpoint: [],
  result: ['manifestSha256'],
};

type Fields = Readonly<Record<string, unknown>>;

/** An object as it goes into the store, not signed yet. */
export function hide(cipher: ControlCipher, name: string, body: Uint8Array): Uint8Array {
  if (!cipher.encrypts) return body;
  if (!isPartly(name)) return name.startsWith(RUNS) ? encodeJson({ encrypted: cipher.encrypt(name, body) }) : body;
  const content = decodeJson(body) as Fields;
  const fields = (RUN_RECORD.test(name) ? pick(content, Object.keys(HIDDEN_FIELDS)) : null) ?? {};
  const shown = Object.entries(fields).map(([field, value]) => [field, pick(value, HIDDEN_FIELDS[field] ?? [])]);
  const texts: string[] = [];
  const open = withTexts({ ...content, ...Object.fromEntries(shown) }, (text) => (texts.push(text), HIDDEN_WORDS));
  return encodeJson({ ...(open as Fields), details: cipher.encrypt(name, encodeJson({ fields, texts })) });
}

/**
 * An object as it was before it was hidden; null when it is encrypted whole, with a secret that is not set here. One that is
 * so in part has `HIDDEN_WORDS` for texts then, and a run's record says `hidden: true`.
 */
export function reveal(cipher: ControlCipher, name: string, body: Buffer): Buffer | null {
  if (!isPartly(name) && !name.startsWith(RUNS)) return body;
  if (!isPartly(name)) {
    const isWhole = body.subarray(0, WHOLE.length).equals(WHOLE);
    return isWhole ? cipher.decrypt(name, String((decodeJson(body) as Fields)['encrypted'])) : body;
  }
  if (!body.includes('"details":"')) return body;
  const { details, ...open } = decodeJson(body) as Fields;
  if (typeof details !== 'string') return body;
  const plain = cipher.decrypt(name, details);
  if (plain === null) return encodeJson(RUN_RECORD.test(name) ? { ...open, hidden: true } : open);
  const { fields, texts } = decodeJson(plain) as { readonly fields: Fields; readonly texts: readonly string[] };
  let at = 0;
  const whole = withTexts(open, (text) => texts[at++] ?? text) as Fields;
  return encodeJson({ ...whole, ...fields });
}

/** How an object that is encrypted whole begins, as `openControl` gives it. */
const WHOLE = Buffer.from('{"encrypted":"');

function isPartly(name: string): boolean {
  return RUN_RECORD.test(name) || WITH_TEXTS.test(name);
}

/** Null for what is no object, or has none of the fields. */
function pick(value: unknown, names: readonly string[]): Fields | null {
  if (typeof value !== 'object' || value === null) return null;
  const found = names.filter((name) => name in value).map((name) => [name, (value as Fields)[name]]);
  return found.length === 0 ? null : (Object.fromEntries(found) as Fields);
}

/** The same value with its texts for people swapped, in the order in which they stand. */
function withTexts(value: unknown, swap: (text: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => withTexts(item, swap));
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).map(([field, held]) => {
    return [field, TEXTS.has(field) && typeof held === 'string' ? swap(held) : withTexts(held, swap)];
  });
  return Object.fromEntries(fields);
}
