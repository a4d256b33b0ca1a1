import { z } from 'zod';
import { AppError } from '../errors.js';

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
