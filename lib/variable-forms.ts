import { z } from 'zod';

/*
 * Forms of variables, all strict: what a shell, a dashboard or an editor adds (a blank, a line end, a byte order mark)
 * is refused by name and never trimmed, since whoever sends a secret sends it without. Each message continues the
 * variable's name and never holds the value.
 */

/** What is wrong with a text that must be printable ASCII without blanks; null when nothing is. */
function oddityOf(text: string): string | null {
  if (/^[\s\u200b\ufeff]*$/.test(text)) return 'holds blanks alone';
  if (/[\r\n\u0085\u2028\u2029]/.test(text)) return 'holds a line end: copy it again, without one';
  if (/^\s|\s$/.test(text)) return 'begins or ends with a blank: copy it again, without blanks';
  if (/\s/.test(text)) return 'holds a blank: copy it again, without blanks';
  if (/^(".*"|'.*'|`.*`)$/.test(text)) return 'holds the quotes around it: set it without them';
  if (!/^[\x21-\x7e]*$/.test(text)) return 'holds a character that is not printable ASCII: copy it again';
  return null;
}

function plain(message: (text: string) => string | null) {
  return z.string().superRefine((text, context) => {
    const problem = message(text);
    if (problem !== null) context.addIssue({ code: 'custom', message: problem });
  });
}

/** A secret, token, id or name: printable ASCII without blanks. */
export const secret = plain(oddityOf);

/** A secret that callers send in a header; `least` characters or more. */
export const accessSecret = (least: number) =>
  plain((text) => oddityOf(text) ?? (text.length < least ? `must have ${least} characters or more` : null));

/** One secret, or several with blanks or commas between them, as while they are rotated. */
export const secretList = plain((text) => (/[^\x20-\x7e]|^ | $/.test(text) ? oddityOf(text) : itemsProblem(text)));

/** A key as base64, or as PEM, which has line ends. */
export const keyText = plain((text) =>
  /^-----BEGIN [A-Z ]+-----\n[\x20-\x7e\r\n]+$/.test(text) ? null : oddityOf(text),
);

/** An address that is asked for exactly as it is: with its query, if it has one. */
export const fullUrl = plain(urlProblem);

/** An address that paths are put behind. */
export const baseUrl = plain((text) => urlProblem(text) ?? (/[?#]/.test(text) ? 'must have no ? and no #' : null));

/** An address of a deployment: scheme and host alone. */
export const originUrl = plain((text) => {
  const problem = urlProblem(text);
  if (problem !== null) return problem;
  const { pathname, search } = new URL(text);
  return pathname === '/' && search === '' && !/[?#]/.test(text)
    ? null
    : 'must be scheme and host alone, without a path';
});

function urlProblem(text: string): string | null {
  const odd = oddityOf(text);
  if (odd !== null) return odd;
  if (!/^https?:\/\/[^/]/i.test(text) || !URL.canParse(text)) return 'must be an http(s) URL';
  const { username, password, hash, hostname } = new URL(text);
  if (username !== '' || password !== '') return 'must have no user name or password in it';
  if (hostname.includes('%') || /[\\^`{|}<>"]/.test(text)) return 'must be an http(s) URL';
  return hash === '' ? null : 'must have no # in it';
}

interface NumberForm {
  readonly least: number;
  readonly most: number;
  /** Whether decimals such as 0.5 are allowed. Default false. */
  readonly decimals?: boolean;
}

/** A number in decimal digits. An empty text, a blank or a line end is no number, and never 0. */
export function number({ least, most, decimals = false }: NumberForm) {
  const form = decimals ? /^\d{1,12}(\.\d{1,9})?$/ : /^\d{1,12}$/;
  return z
    .string()
    .refine((text) => form.test(text) && Number(text) >= least && Number(text) <= most, {
      error: `must be a ${decimals ? '' : 'whole '}number from ${least} to ${most}, in digits alone`,
    })
    .transform(Number);
}

/** Items separated by commas, blanks or line ends. A text that is set and names nothing is refused. */
export const list = plain(itemsProblem).transform(itemsOf).default([]);

function itemsProblem(text: string): string | null {
  const items = itemsOf(text);
  if (items.length === 0) return 'is set, but names nothing';
  const odd = items.map(oddityOf).find((problem) => problem !== null);
  return odd === undefined ? null : `has an item that ${odd}`;
}

function itemsOf(text: string): string[] {
  return text.split(/[ \t\r\n,]+/).filter((item) => item !== '');
}

/** One of a few words. */
export function oneOf<const T extends readonly [string, ...string[]]>(words: T) {
  return z.enum(words, { error: `must be one of ${words.join(', ')}` });
}

type AllOf<S> = (S extends unknown ? (one: S) => void : never) extends (all: infer A) => void ? A : never;

/** The variables of several kinds of one service together. */
export function allOf<S extends object>(shapes: readonly S[]): AllOf<S> {
  return Object.assign({}, ...shapes) as AllOf<S>;
}
