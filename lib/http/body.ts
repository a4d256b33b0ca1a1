import { z } from 'zod';
import { AppError } from '../errors.js';

/** How many fields an answer names, and how much of each name: the names are the caller's words. */
const MOST_NAMED = 8;
const NAME_LENGTH = 40;
/** Bytes of a body that is to say nothing: `{}`, as some clients send it. */
const MOST_NOTHING = 1024;

/**
 * The body as text, exactly as it was sent. Throws `too-large` as soon as it is known to have more than `limit` bytes,
 * and `usage` when it is not UTF-8 or breaks off.
 */
export async function readBody(request: Request, limit: number): Promise<string> {
  // What is declared spares the reading; what is not declared, or not truly, is counted.
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw tooLarge(limit);
  const bytes = await readBytes(request, limit);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw unreadable('The body is not UTF-8');
  }
}

/**
 * The body as the schema has it. Throws `usage` when the text is not JSON, and `invalid` with the names of the fields
 * that do not fit. What a field may be is said in the words that the schema describes it with; values are not quoted.
 */
export function parseBody<S extends z.ZodObject>(text: string, schema: S): z.output<S> {
  const parsed = schema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const fields = Object.keys(schema.shape);
  const problems = [...new Set(parsed.error.issues.flatMap((issue) => describe(issue, schema)))];
  throw new AppError('invalid', `The body is not as it must be: ${problems.slice(0, MOST_NAMED).join('; ')}`, {
    hint:
      fields.length > 0
        ? `Send a JSON object of these fields: ${fields.join(', ')}.`
        : 'This call takes nothing: send no body.',
  });
}

/** Throws `invalid` where a call that takes no body is sent one, whose sender takes it to mean something. */
export async function demandNoBody(request: Request): Promise<void> {
  const text = await readBody(request, MOST_NOTHING);
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
      if (size > limit) throw tooLarge(limit);
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof AppError ? error : unreadable('The body broke off');
  }
  return Buffer.concat(chunks);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The error is not passed on: it quotes the text.
    throw unreadable('The body is not JSON');
  }
}

function describe(issue: z.core.$ZodIssue, schema: z.ZodObject): string[] {
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

function tooLarge(limit: number): AppError {
  return new AppError('too-large', `The body is larger than ${limit} bytes`, {
    hint: `Nothing that this call takes needs more than ${limit} bytes; check what is being sent.`,
  });
}

function unreadable(message: string): AppError {
  return new AppError('usage', message, { hint: 'Send one JSON object, encoded as UTF-8 without a byte order mark.' });
}
