import { randomUUID } from 'node:crypto';

type Numbers = readonly number[];

const FUNCTIONS: Readonly<Record<string, (...args: number[]) => number>> = {
  pow: Math.pow,
  sqrt: Math.sqrt,
  abs: Math.abs,
  exp: Math.exp,
  floor: Math.floor,
  ceil: Math.ceil,
  round: Math.round,
  min: Math.min,
  max: Math.max,
};

/**
 * Evaluates the expression of an `Upstash-Retry-Delay` header: numbers, `retried` (0 before the first retry),
 * `+ - * /`, parentheses and the functions that QStash's documentation names. Returns milliseconds; throws a
 * SyntaxError on anything else. Source: https://upstash.com/docs/qstash/features/retry
 */
export function evaluateDelay(expression: string, retried: number): number {
  const tokens = expression.match(/\d+(?:\.\d+)?|[a-z]+|\S/g) ?? [];
  let at = 0;

  const accept = (token: string): boolean => {
    if (tokens[at] !== token) return false;
    at++;
    return true;
  };
  const expect = (token: string): void => {
    if (!accept(token)) throw new SyntaxError(`expected ${token}`);
  };

  const sum = (): number => {
    let value = product();
    for (;;) {
      if (accept('+')) value += product();
      else if (accept('-')) value -= product();
      else return value;
    }
  };
  const product = (): number => {
    let value = factor();
    for (;;) {
      if (accept('*')) value *= factor();
      else if (accept('/')) value /= factor();
      else return value;
    }
  };
  const factor = (): number => {
    if (accept('-')) return -factor();
    if (accept('(')) {
      const value = sum();
      expect(')');
      return value;
    }
    const token = tokens[at++] ?? '';
    if (/^\d/.test(token)) return Number(token);
    if (token === 'retried') return retried;
    const apply = Object.hasOwn(FUNCTIONS, token) ? FUNCTIONS[token] : undefined;
    if (apply === undefined) throw new SyntaxError('unknown word');
    return apply(...argumentsOf());
  };
  const argumentsOf = (): Numbers => {
    expect('(');
    const args = [sum()];
    while (accept(',')) args.push(sum());
    expect(')');
    return args;
  };

  const result = sum();
  if (at !== tokens.length || Number.isNaN(result)) throw new SyntaxError('not a delay');
  return Math.max(0, result);
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** The longest wait between two deliveries of a message: one day. */
export const LONGEST_WAIT_MS = 86_400_000;

/** Parses a duration of QStash (`30s`, `1h30m`, or a number of seconds) into milliseconds; null if it is invalid. */
export function parseDuration(text: string): number | null {
  const bare = text.trim();
  if (/^\d+(\.\d+)?$/.test(bare)) return Number(bare) * 1000;
  const parts = [...bare.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== bare) return null;
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNITS[unit ?? ''] ?? 0), 0);
}

const WAIT_HEADERS = ['retry-after', 'x-ratelimit-reset', 'x-ratelimit-reset-requests', 'x-ratelimit-reset-tokens'];

/**
 * The wait that a reply requests (seconds, an HTTP date or a duration), in milliseconds. Null when there is none, or when it
 * is longer than a day: QStash then uses its default backoff.
 * Source: https://upstash.com/docs/qstash/features/retry
 */
export function parseRequestedWait(headers: Readonly<Record<string, unknown>>, now: number): number | null {
  const value = WAIT_HEADERS.map((name) => headers[name]).find((entry) => typeof entry === 'string');
  if (typeof value !== 'string') return null;
  const date = /GMT$/.test(value) ? Date.parse(value) - now : Number.NaN;
  const wait = Number.isNaN(date) ? parseDuration(value) : Math.max(0, date);
  return wait === null || wait > LONGEST_WAIT_MS ? null : wait;
}

/** QStash's default backoff before the n-th retry (n from 1), in milliseconds: `min(86400, e ** (2.5 * n))` seconds. */
export function defaultBackoff(n: number): number {
  return Math.min(LONGEST_WAIT_MS, Math.round(Math.exp(2.5 * n)) * 1000);
}

/** Limits of QStash's free plan (https://upstash.com/pricing/qstash). */
export const MAX_RETRIES = 3;
const MAX_BODY_BYTES = 1024 * 1024;
const MAX_DELAY_MS = 7 * 86_400_000;

export interface Flow {
  readonly key: string;
  /** Concurrent deliveries. */
  readonly parallelism: number | null;
  /** Deliveries started per period. */
  readonly rate: number | null;
  readonly periodMs: number;
}

/** An accepted message, and how often its delivery was retried. */
export interface Message {
  readonly id: string;
  readonly url: string;
  readonly method: string;
  /** Headers for the destination: content-type and the forwarded ones, names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly createdAt: number;
  readonly delayMs: number;
  readonly maxRetries: number;
  /** Expression of Upstash-Retry-Delay. */
  readonly retryDelay: string | null;
  readonly deduplicationId: string | null;
  readonly contentDeduplication: boolean;
  readonly callback: string | null;
  readonly failureCallback: string | null;
  readonly flow: Flow | null;
  readonly timeoutMs: number | null;
  readonly label: string | null;
  retried: number;
}

/** A refusal by QStash, with the status and text of its answer. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Reads a message from the headers of a publish request or of one item of a batch (names in lower case). Throws a
 * Refusal on what QStash would not accept.
 */
export function readMessage(destination: string, headers: Readonly<Record<string, string>>, body: Buffer): Message {
  if (body.length > MAX_BODY_BYTES) throw new Refusal(413, 'message exceeds the maximum size of the plan');
  const get = (name: string): string | null => headers[`upstash-${name}`] ?? null;
  return {
    id: newId('msg'),
    url: addressOf(destination, 'destination'),
    method: get('method') ?? 'POST',
    headers: deliveredHeaders(headers),
    body,
    createdAt: Date.now(),
    delayMs: readDelay(get('delay'), get('not-before')),
    maxRetries: readRetries(get('retries')),
    retryDelay: readRetryDelay(get('retry-delay')),
    deduplicationId: get('deduplication-id'),
    contentDeduplication: get('content-based-deduplication') === 'true',
    callback: optionalAddress(get('callback'), 'callback'),
    failureCallback: optionalAddress(get('failure-callback'), 'failure callback'),
    flow: readFlow(get('flow-control-key'), get('flow-control-value')),
    timeoutMs: optionalDuration(get('timeout'), 'timeout'),
    label: get('label'),
    retried: 0,
  };
}

export function newId(prefix: string): string {
  return `${prefix}_${randomUUID().replaceAll('-', '')}`;
}

function deliveredHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const forwarded = Object.entries(headers).flatMap(([name, value]): [string, string][] => {
    if (name === 'content-type') return [[name, value]];
    return name.startsWith('upstash-forward-') ? [[name.slice('upstash-forward-'.length), value]] : [];
  });
  return Object.fromEntries(forwarded);
}

function addressOf(text: string, what: string): string {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) throw new Refusal(400, `invalid ${what} url`);
  return text;
}

function optionalAddress(text: string | null, what: string): string | null {
  return text === null ? null : addressOf(text, what);
}

function optionalDuration(text: string | null, what: string): number | null {
  if (text === null) return null;
  const duration = parseDuration(text);
  if (duration === null) throw new Refusal(400, `invalid ${what}`);
  return duration;
}

function readDelay(delay: string | null, notBefore: string | null): number {
  const until = notBefore === null ? 0 : Number(notBefore) * 1000 - Date.now();
  if (Number.isNaN(until)) throw new Refusal(400, 'invalid not-before');
  const wait = notBefore === null ? (optionalDuration(delay, 'delay') ?? 0) : Math.max(0, until);
  if (wait > MAX_DELAY_MS) throw new Refusal(400, 'delay exceeds the maximum of the plan');
  return wait;
}

function readRetries(text: string | null): number {
  if (text === null) return MAX_RETRIES;
  if (!/^\d+$/.test(text)) throw new Refusal(400, 'invalid retries');
  if (Number(text) > MAX_RETRIES) throw new Refusal(400, 'retries exceed the maximum of the plan');
  return Number(text);
}

function readRetryDelay(expression: string | null): string | null {
  if (expression === null) return null;
  try {
    evaluateDelay(expression, 0);
    return expression;
  } catch {
    throw new Refusal(400, 'invalid retry delay expression');
  }
}

function readFlow(key: string | null, value: string | null): Flow | null {
  if (key === null) return null;
  const fields = new Map((value ?? '').split(',').map((field) => field.trim().split('=', 2) as [string, string]));
  const number = (name: string): number | null => {
    const text = fields.get(name);
    if (text === undefined) return null;
    if (!/^[1-9]\d*$/.test(text)) throw new Refusal(400, `invalid flow control ${name}`);
    return Number(text);
  };
  const [parallelism, rate] = [number('parallelism'), number('rate')];
  if (parallelism === null && rate === null) throw new Refusal(400, 'flow control needs a parallelism or a rate');
  return { key, parallelism, rate, periodMs: optionalDuration(fields.get('period') ?? '1s', 'period') ?? 1000 };
}
