import { decodeJson, encodeJson } from '../json.js';
import type { Signer } from '../ports/crypto.js';

/* The signature of a control object, over its name and content. */

/** Whether signatures of more than one key are accepted: during a rotation. */
export function acceptsOthers(signer: Signer): boolean {
  return signer.accepts.includes(',');
}

/** Why a control object is ignored. */
export type Objection = 'garbled' | 'unsigned' | 'forged';

type Opened =
  /** `isUnchecked`: no key is set here. */
  | { readonly ok: true; readonly body: Buffer; readonly isUnchecked: boolean }
  /** `forged`: signed, but not with an accepted key over this name and content. */
  | { readonly ok: false; readonly why: Objection };

/** The largest control object that is parsed; this program writes none that is larger. */
const LARGEST_BYTES = 64 * 1024 * 1024;

/**
 * A control object as it is stored: with one more field, `auth: {signature}`, over its name, a line end and its
 * JSON text without white space. Null when only a public key is set, so that it cannot be signed. Throws `TypeError` for
 * content that is not a JSON object: control state always is.
 */
export function signControl(signer: Signer, name: string, body: Uint8Array): Buffer | null {
  if (signer.verify(new Uint8Array(), '') === null) return Buffer.from(body);
  const content = objectIn(body);
  if (content === null) throw new TypeError(`${name} is not a JSON object`);
  const fields = withoutAuth(content);
  const signature = signer.sign(signedBytes(name, JSON.stringify(fields)));
  return signature === null ? null : encodeJson({ ...fields, auth: { signature } });
}

/** The content of a stored control object without its signature, or why the object is ignored. */
export function openControl(signer: Signer, name: string, stored: Buffer): Opened {
  const content = objectIn(stored);
  if (content === null) return { ok: false, why: 'garbled' };
  const { auth, ...fields } = content;
  const text = JSON.stringify(fields);
  const signature = signatureIn(auth);
  // Null: no key is set here, so the signature is not checked.
  const fits = signer.verify(signedBytes(name, text), signature ?? '');
  if (fits === false) return { ok: false, why: signature === null ? 'unsigned' : 'forged' };
  return { ok: true, body: Buffer.from(text), isUnchecked: fits === null };
}

/** The content of a control object without its unchecked signature; unchanged where it is no JSON object. */
export function unprovenContent(stored: Buffer): Buffer {
  const content = objectIn(stored);
  if (content === null) return stored;
  return Buffer.from(JSON.stringify(withoutAuth(content)));
}

function withoutAuth(content: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(content).filter(([field]) => field !== 'auth'));
}

function signedBytes(name: string, text: string): Buffer {
  return Buffer.from(`${name}\n${text}`);
}

export function signatureIn(auth: unknown): string | null {
  if (typeof auth !== 'object' || auth === null || !('signature' in auth)) return null;
  return typeof auth.signature === 'string' ? auth.signature : null;
}

export function objectIn(body: Uint8Array): Record<string, unknown> | null {
  if (body.length > LARGEST_BYTES) return null;
  try {
    const value = decodeJson(body);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
