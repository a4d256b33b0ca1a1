import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto';

/** Validity of a signature, in seconds. */
const LIFETIME_SECONDS = 300;

export interface SigningKeys {
  readonly current: string;
  readonly next: string;
}

export function newSigningKey(): string {
  return `sig_${randomBytes(21).toString('base64url')}`;
}

/** The next key becomes the current one, and a new key becomes the next one. */
export function rotate(keys: SigningKeys): SigningKeys {
  return { current: keys.next, next: newSigningKey() };
}

/**
 * The `Upstash-Signature` of a delivery: a JWT (RFC 7519, HS256) over the destination and the SHA-256 of the body.
 * `now` is in milliseconds. Source: https://upstash.com/docs/qstash/howto/signature
 */
export function signDelivery(key: string, url: string, body: Uint8Array, now: number): string {
  const seconds = Math.floor(now / 1000);
  const digest = createHash('sha256').update(body).digest('base64url');
  const claims = {
    iss: 'Upstash',
    sub: url,
    exp: seconds + LIFETIME_SECONDS,
    nbf: seconds,
    iat: seconds,
    jti: `jwt_${randomUUID()}`,
    // The vendor pads this value, unlike the segments of the token.
    body: `${digest}=`,
  };
  const unsigned = `${segment({ alg: 'HS256', typ: 'JWT' })}.${segment(claims)}`;
  return `${unsigned}.${createHmac('sha256', key).update(unsigned).digest('base64url')}`;
}

function segment(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
