import { decodeJson, encodeJson } from '../json.js';
import type { ControlCipher } from './cipher.js';

/*
 * The parts of control objects that may hold ids of projects, users, jobs or clusters, and so are encrypted where snapshots
 * are. Objects that only runs read are encrypted whole. In run records, and in objects whose figures must stay readable after
 * a change of the secret, only fields or texts are encrypted, in one more field `details`. The other objects hold no ids.
 */

/** Replaces texts that cannot be decrypted here. */
export const HIDDEN_WORDS = 'The details are encrypted with another key';

const RUNS = 'runs/';
const RUN_RECORD = /^runs\/[^/]+\/run\.json$/;
const WITH_TEXTS =
  /^(catalog|guard\/(state(-[^/]+)?|sources|pins|databases\/[^/]+)|drills\/[^/]+|snapshots\/[^/]+\/accepted)\.json$/;
const TEXTS: ReadonlySet<string> = new Set(['message', 'hint', 'detail', 'reason']);

/** Fields of a run record that are hidden, each with the names below it that stay visible, as they are needed without the secret. */
const HIDDEN_FIELDS: Readonly<Record<string, readonly string[]>> = {
  input: ['snapshot', 'trigger', 'dryRun'],
  checkpoint: [],
  result: ['manifestSha256'],
};

type Fields = Readonly<Record<string, unknown>>;

/** An object as it is stored, before it is signed. */
export function hide(cipher: ControlCipher, name: string, body: Uint8Array): Uint8Array {
  if (!cipher.encrypts) return body;
  if (!isPartlyHidden(name))
    return name.startsWith(RUNS) ? encodeJson({ encrypted: cipher.encrypt(name, body) }) : body;
  const content = decodeJson(body) as Fields;
  const fields = (RUN_RECORD.test(name) ? pick(content, Object.keys(HIDDEN_FIELDS)) : null) ?? {};
  const shown = Object.entries(fields).map(([field, value]) => [field, pick(value, HIDDEN_FIELDS[field] ?? [])]);
  const texts: string[] = [];
  const open = withTexts({ ...content, ...Object.fromEntries(shown) }, (text) => (texts.push(text), HIDDEN_WORDS));
  return encodeJson({ ...(open as Fields), details: cipher.encrypt(name, encodeJson({ fields, texts })) });
}

/**
 * An object as it was before `hide`. Where the secret is not set here: null for an object that is encrypted whole; one that is
 * encrypted in part has `HIDDEN_WORDS` in place of its texts, and a run record has `hidden: true`.
 */
export function reveal(cipher: ControlCipher, name: string, body: Buffer): Buffer | null {
  if (!isPartlyHidden(name) && !name.startsWith(RUNS)) return body;
  if (!isPartlyHidden(name)) {
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

/** The first bytes of an object that is encrypted whole, as `openControl` returns it. */
const WHOLE = Buffer.from('{"encrypted":"');

/** Whether only fields and texts of an object are hidden. */
function isPartlyHidden(name: string): boolean {
  return RUN_RECORD.test(name) || WITH_TEXTS.test(name);
}

/** Null for a value that is no object, or has none of the fields. */
function pick(value: unknown, names: readonly string[]): Fields | null {
  if (typeof value !== 'object' || value === null) return null;
  const found = names.filter((name) => name in value).map((name) => [name, (value as Fields)[name]]);
  return found.length === 0 ? null : (Object.fromEntries(found) as Fields);
}

/** The same value with each text of a field in `TEXTS` replaced, in the order of the fields. */
function withTexts(value: unknown, swap: (text: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => withTexts(item, swap));
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).map(([field, held]) => {
    return [field, TEXTS.has(field) && typeof held === 'string' ? swap(held) : withTexts(held, swap)];
  });
  return Object.fromEntries(fields);
}
