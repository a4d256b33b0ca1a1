/**
 * The beginning of an answer's body as text, at most `most` bytes. The rest is never read: an endless answer must not fill
 * the memory. Throws the connection's errors.
 */
export async function readText(response: Response, most: number): Promise<string> {
  return (await readBytes(response, most)).toString('utf8');
}

/** Like readText, but returns bytes. */
export async function readBytes(response: Response, most: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    size += chunk.length;
    // Leaving the loop cancels the rest.
    if (size >= most) break;
  }
  return Buffer.concat(chunks).subarray(0, most);
}

/** Undefined for text that is not JSON. The error is dropped on purpose: V8's message quotes the text. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A refusal in the body of an answer whose status says success. */
export interface Objection {
  /** Continues "the receiver ...". Quotes nothing of the body except a code of small letters. */
  readonly how: string;
  /** Whether the same message may be accepted a little later. */
  readonly isTransient: boolean;
}

/** Slack's error codes, such as `invalid_payload` and `channel_is_archived`; they cannot hold a secret. */
const CODE =
  /^(access|action|channel|invalid|missing|no|not|posting|rate|restricted|team|too|user)(_[a-z]{2,20}){1,5}$/;
const FAILED = /^(error|failed|failure|fail|invalid|denied|rejected)$/i;

/**
 * The refusal in an answer with a status of 200 to 299; null when there is none. A success has no body, `ok`, `1` or a
 * document of the message. Known refusals: the page of a login or of a parked domain, Slack's codes, `{"ok":false}` and
 * similar JSON, and the old connectors of Teams, which return the status of the service behind them as text.
 */
export function findObjection(text: string): Objection | null {
  const plain = text.trim();
  if (plain.startsWith('<'))
    return { how: 'answered with a web page: the address is not a receiver', isTransient: false };
  if (CODE.test(plain)) return { how: `answered with the error ${plain}`, isTransient: plain.includes('rate_limit') };
  const behind = /\b(?:delivery failed|HTTP error)\b.*?\b(?:error )?([45]\d\d)\b/is.exec(plain)?.[1];
  if (behind !== undefined) {
    const isTransient = behind === '429' || behind.startsWith('5');
    return { how: `reported status ${behind} of the service behind it`, isTransient };
  }
  return /^(error|failed|failure|invalid)\b/i.test(plain) || reportsFailure(plain)
    ? { how: 'reported a failure', isTransient: false }
    : null;
}

function reportsFailure(text: string): boolean {
  const json = parseJson(text);
  if (typeof json !== 'object' || json === null) return false;
  const { error, ok, status, success } = json as Record<string, unknown>;
  if (ok === false || success === false || success === 'false') return true;
  if (typeof status === 'string' && FAILED.test(status)) return true;
  return error === true || (typeof error === 'string' && error !== '') || (typeof error === 'object' && error !== null);
}
