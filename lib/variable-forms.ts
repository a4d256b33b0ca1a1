import { z } from 'zod';

/*
 * Forms of variables, all strict: characters that a shell, a dashboard or an editor adds (a blank, a line end, a byte order
 * mark) are reported and never trimmed, because callers send a secret without them. Each message continues the name of the
 * variable and never contains the value.
 */

/** The problem of a text that must be printable ASCII without blanks; null if there is none. */
function textProblem(text: string): string | null {
  if (/^[\s\u200b\ufeff]*$/.test(text)) return 'contains only blanks';
  if (/[\r\n\u0085\u2028\u2029]/.test(text)) return 'contains a line end: copy it again, without one';
  if (/^\s|\s$/.test(text)) return 'begins or ends with a blank: copy it again, without blanks';
  if (/\s/.test(text)) return 'contains a blank: copy it again, without blanks';
  if (/^(".*"|'.*'|`.*`)$/.test(text)) return 'is enclosed in quotes: set it without them';
  if (!/^[\x21-\x7e]*$/.test(text)) return 'contains a character that is not printable ASCII: copy it again';
  return null;
}

function strictText(message: (text: string) => string | null) {
  return z.string().superRefine((text, context) => {
    const problem = message(text);
    if (problem !== null) context.addIssue({ code: 'custom', message: problem });
  });
}

/** A secret, token, id or name: printable ASCII without blanks. */
export const secret = strictText(textProblem);

/** A secret that callers send in a header; at least `least` characters. */
export const accessSecret = (least: number) =>
  strictText((text) => textProblem(text) ?? (text.length < least ? `must have at least ${least} characters` : null));

/** One secret, or several separated by blanks or commas, as during a rotation. */
export const secretList = strictText((text) =>
  /[^\x20-\x7e]|^ | $/.test(text) ? textProblem(text) : itemsProblem(text),
);

/** A key in base64, or in PEM, which has line ends. */
export const keyText = strictText((text) =>
  /^-----BEGIN [A-Z ]+-----\n[\x20-\x7e\r\n]+$/.test(text) ? null : textProblem(text),
);

/** An address that is requested exactly as given, including its query. */
export const fullUrl = strictText(urlProblem);

/** An address that paths are appended to. */
export const baseUrl = strictText((text) => urlProblem(text) ?? (/[?#]/.test(text) ? 'must not contain ? or #' : null));

/** The address of a deployment: only scheme and host. */
export const originUrl = strictText((text) => {
  const problem = urlProblem(text);
  if (problem !== null) return problem;
  const { pathname, search } = new URL(text);
  return pathname === '/' && search === '' && !/[?#]/.test(text)
    ? null
    : 'must be only scheme and host, without a path';
});

function urlProblem(text: string): string | null {
  const odd = textProblem(text);
  if (odd !== null) return odd;
  if (!/^https?:\/\/[^/]/i.test(text) || !URL.canParse(text)) return 'must be an http(s) URL';
  const { username, password, hash, hostname } = new URL(text);
  if (username !== '' || password !== '') return 'must not contain a user name or password';
  if (hostname.includes('%') || /[\\^`{|}<>"]/.test(text)) return 'must be an http(s) URL';
  return hash === '' ? null : 'must not contain #';
}

interface NumberForm {
  readonly least: number;
  readonly most: number;
  /** Whether decimals such as 0.5 are allowed. Default false. */
  readonly decimals?: boolean;
}

/** A number in decimal digits. An empty text, a blank or a line end is refused, never read as 0. */
export function number({ least, most, decimals = false }: NumberForm) {
  const form = decimals ? /^\d{1,12}(\.\d{1,9})?$/ : /^\d{1,12}$/;
  return z
    .string()
    .refine((text) => form.test(text) && Number(text) >= least && Number(text) <= most, {
      error: `must be a ${decimals ? '' : 'whole '}number from ${least} to ${most}, in digits only`,
    })
    .transform(Number);
}

/** Items separated by commas, blanks or line ends. A text without any item is refused. */
export const list = strictText(itemsProblem).transform(itemsOf).default([]);

function itemsProblem(text: string): string | null {
  const items = itemsOf(text);
  if (items.length === 0) return 'is set, but contains no item';
  const odd = items.map(textProblem).find((problem) => problem !== null);
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

/** Merges the variables of several kinds of one service. */
export function allOf<S extends object>(shapes: readonly S[]): AllOf<S> {
  return Object.assign({}, ...shapes) as AllOf<S>;
}
