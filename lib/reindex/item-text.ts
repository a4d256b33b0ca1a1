/** An item's fields as Redis has them; null for what is not there. */
interface TextFields {
  readonly title: string | null;
  readonly body: string | null;
  readonly rawText: string | null;
}

/**
 * What Python's `str.strip()` takes off (`str.isspace`, Python documentation). Not what `trim` does: that one leaves the
 * separators U+001C to U+001F and U+0085, and takes off U+FEFF.
 */
const SPACE = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const IS_SPACE = new RegExp(SPACE, 'u');
/** Half of a code point over U+FFFF; without one, UTF-16 units are code points. */
const SURROGATE = /[\ud800-\udfff]/;

/**
 * The text that Soulcaster embeds for an item: title and body with a blank line between, or the one that is there.
 * `raw_text` stands in for a body that is empty or absent, as Python's `or` has it: a body of blanks is a body.
 * `cutCodePoints` limits the body; 0 leaves it whole. Empty when there is nothing to embed.
 */
export function itemText({ title, body, rawText }: TextFields, cutCodePoints: number): string {
  const head = strip(title ?? '');
  const whole = strip(isEmpty(body) ? (rawText ?? '') : body);
  const rest = cutCodePoints > 0 ? firstCodePoints(whole, cutCodePoints) : whole;
  if (head === '' || rest === '') return head + rest;
  return `${head}\n\n${rest}`;
}

export function strip(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && IS_SPACE.test(text.charAt(from))) from += 1;
  while (to > from && IS_SPACE.test(text.charAt(to - 1))) to -= 1;
  return text.slice(from, to);
}

/** Python counts code points, JavaScript's strings UTF-16 units. */
export function firstCodePoints(text: string, count: number): string {
  if (text.length <= count) return text;
  const head = text.slice(0, count);
  if (!SURROGATE.test(head)) return head;
  let at = 0;
  for (let taken = 0; taken < count && at < text.length; taken++) {
    at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
  }
  return text.slice(0, at);
}

function isEmpty(text: string | null): text is null | '' {
  return text === null || text === '';
}
