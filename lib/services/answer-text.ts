/**
 * The beginning of an answer's body as text, `most` bytes at most. The rest is never read: an answer that does not end must
 * not fill the memory. Throws what the connection throws.
 */
export async function textOf(response: Response, most: number): Promise<string> {
  return (await bytesOf(response, most)).toString('utf8');
}

/** The same as bytes. */
export async function bytesOf(response: Response, most: number): Promise<Buffer> {
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

/** Undefined for what is no JSON. The error is dropped on purpose: V8's message quotes the text. */
export function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a receiver of messages or pings says by itself with a status that promises success. */
export interface Objection {
  /** Continues "the receiver ...". What it said is not quoted, but for a code of small letters. */
  readonly how: string;
  /** Whether the same may be taken a little later. */
  readonly passes: boolean;
}

/** Slack's codes of refusals, such as `invalid_payload` and `channel_is_archived`, in which no secret can stand. */
const CODE =
  /^(access|action|channel|invalid|missing|no|not|posting|rate|restricted|team|too|user)(_[a-z]{2,20}){1,5}$/;
const FAILED = /^(error|failed|failure|fail|invalid|denied|rejected)$/i;

/**
 * Why an answer with a status of 200 to 299 shows that nothing was taken; null where nothing shows that. Receivers answer
 * with nothing, `ok`, `1` or a document of the message. Seen as well: the page of a login or of a parked domain, Slack's
 * codes, `{"ok":false}` and its kind, and the old connectors of Teams, which pass on the status behind them as text.
 */
export function objectionIn(text: string): Objection | null {
  const plain = text.trim();
  if (plain.startsWith('<'))
    return { how: 'answered with a page: the address is not that of a receiver', passes: false };
  if (CODE.test(plain)) return { how: `did not take it: ${plain}`, passes: plain.includes('rate_limit') };
  const behind = /\b(?:delivery failed|HTTP error)\b.*?\b(?:error )?([45]\d\d)\b/is.exec(plain)?.[1];
  if (behind !== undefined) {
    const passes = behind === '429' || behind.startsWith('5');
    return { how: `passed it on and met status ${behind}`, passes };
  }
  return /^(error|failed|failure|invalid)\b/i.test(plain) || saysNo(plain)
    ? { how: 'says that it did not take it', passes: false }
    : null;
}

function saysNo(text: string): boolean {
  const json = jsonIn(text);
  if (typeof json !== 'object' || json === null) return false;
  const { error, ok, status, success } = json as Record<string, unknown>;
  if (ok === false || success === false || success === 'false') return true;
  if (typeof status === 'string' && FAILED.test(status)) return true;
  return error === true || (typeof error === 'string' && error !== '') || (typeof error === 'object' && error !== null);
}
