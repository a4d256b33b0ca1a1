import { z } from 'zod';
import { AppError } from '../errors.js';
import { isId } from '../runs/ids.js';
import { SNAPSHOT_WORDS } from '../snapshot/select.js';

/** Number of fields that an answer names, and the length of each name: the caller chose them. */
const MAX_NAMED = 8;
const NAME_LENGTH = 40;
/** Maximum size of an empty body: some clients send `{}`. */
const MAX_EMPTY_BYTES = 1024;

/**
 * The body as text, exactly as sent. Throws `too-large` as soon as it exceeds `limit` bytes, and `usage` if it is not UTF-8
 * or is interrupted.
 */
export async function readBody(request: Request, limit: number): Promise<string> {
  // A declared size avoids reading; bytes are counted anyway, since the declaration may be missing or wrong.
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw tooLargeError(limit);
  const bytes = await readBytes(request, limit);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw unreadableError('The body is not UTF-8');
  }
}

/**
 * Parses the body by the schema. Throws `usage` if the text is not JSON, and `invalid` with the names of invalid fields and
 * the schema's description of each. Values are not quoted.
 */
export function parseBody<S extends z.ZodObject>(text: string, schema: S): z.output<S> {
  const parsed = schema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const fields = Object.keys(schema.shape);
  const problems = [...new Set(parsed.error.issues.flatMap((issue) => describeIssue(issue, schema)))];
  throw new AppError('invalid', `The body is invalid: ${problems.slice(0, MAX_NAMED).join('; ')}`, {
    hint:
      fields.length > 0
        ? `Send a JSON object with these fields: ${fields.join(', ')}.`
        : 'This call takes no parameters: send no body.',
  });
}

/** Throws `invalid` for a body: its sender expects it to have an effect, but the call takes none. */
export async function assertNoBody(request: Request): Promise<void> {
  const text = await readBody(request, MAX_EMPTY_BYTES);
  if (text.trim() !== '') parseBody(text, z.strictObject({}));
}

async function readBytes(request: Request, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  const body: AsyncIterable<Uint8Array> | null = request.body;
  let size = 0;
  try {
    // Leaving the loop early cancels the stream: the rest is not read.
    for await (const chunk of body ?? []) {
      size += chunk.byteLength;
      if (size > limit) throw tooLargeError(limit);
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof AppError ? error : unreadableError('The body was interrupted');
  }
  return Buffer.concat(chunks);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The error is not passed on: it quotes the text.
    throw unreadableError('The body is not JSON');
  }
}

function describeIssue(issue: z.core.$ZodIssue, schema: z.ZodObject): string[] {
  const [field] = issue.path.map(String);
  if (field === undefined && issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `there is no field ${JSON.stringify(key.slice(0, NAME_LENGTH))}`);
  }
  if (field === undefined) return ['it must be an object'];
  return [`${field} must be ${descriptionOf(schema, field)}`];
}

function descriptionOf(schema: z.ZodObject, field: string): string {
  const described: unknown = schema.shape[field];
  return (described instanceof z.ZodType ? described.description : undefined) ?? 'of another form';
}

function tooLargeError(limit: number): AppError {
  return new AppError('too-large', `The body is larger than ${limit} bytes`, {
    hint: `A valid request has at most ${limit} bytes; check what is being sent.`,
  });
}

function unreadableError(message: string): AppError {
  return new AppError('usage', message, { hint: 'Send one JSON object, encoded as UTF-8 without a byte order mark.' });
}

/** A field that is true or false. */
export function flagField(fallback = false) {
  return z.boolean().default(fallback).describe('true or false');
}

/** A field that names a snapshot. */
export const snapshotField = z
  .string()
  .refine((text) => SNAPSHOT_WORDS.some((word) => word === text) || isId(text))
  .describe('"latest", "newest" or the id of a snapshot');

/** Describes a field that takes one of these values. */
export function oneOf(values: readonly string[]): string {
  return values.map((value) => JSON.stringify(value)).join(' or ');
}

/** A whole number from 1 to `max`. Throws `invalid`. */
export function parseNumber(params: URLSearchParams, name: string, fallback: number, max: number): number {
  const [text = String(fallback), ...others] = params.getAll(name);
  const value = /^[1-9]\d{0,5}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= max && others.length === 0) return value;
  throw new AppError('invalid', `${name} is not a valid number`, {
    hint: `Give a whole number from 1 to ${max}, or leave it out for ${fallback}.`,
  });
}

/** Parameters of Vercel itself, such as the bypass of its deployment protection. */
const VERCEL_PARAMETER = /^(?:x-vercel-|_vercel_)/;

/**
 * Throws `invalid` for any other parameter: a misspelt filter must not select everything. Parameters in `once` may be given
 * only once, since it would be unclear which of two values counts.
 */
export function assertKnownParameters(
  params: URLSearchParams,
  once: readonly string[] = [],
  repeatable: readonly string[] = [],
): void {
  const names = [...params.keys()].filter((name) => !VERCEL_PARAMETER.test(name));
  const known = [...once, ...repeatable];
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new AppError('invalid', `There is no parameter ${JSON.stringify(unknown.slice(0, 40))}`, {
      hint: known.length > 0 ? `This address takes ${known.join(', ')}.` : 'This address takes no parameters.',
    });
  }
  const repeated = once.find((name) => params.getAll(name).length > 1);
  if (repeated === undefined) return;
  throw new AppError('invalid', `The parameter ${repeated} is given more than once`, { hint: 'Give it once.' });
}

/** A parameter that is `true` or `false`; false by default. Throws `invalid`. */
export function parseFlag(params: URLSearchParams, name: string): boolean {
  const text = params.get(name) ?? 'false';
  if (text === 'true' || text === 'false') return text === 'true';
  throw new AppError('invalid', `${name} is neither true nor false`, {
    hint: `Give ${name}=true, or leave it out.`,
  });
}

/** The decoded segment of the request's path that follows `word`. Throws `usage` if it is not percent-encoded UTF-8. */
export function segmentAfter(word: string, request: Request): string {
  const segments = new URL(request.url).pathname.split('/');
  try {
    return decodeURIComponent(segments[segments.indexOf(word) + 1] ?? '');
  } catch {
    throw new AppError('usage', 'The path is not percent-encoded UTF-8', {
      hint: 'An id contains only letters, digits and -: send it unchanged.',
    });
  }
}
