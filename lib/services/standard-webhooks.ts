import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { AppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { WebhookRequest, WebhookVerifier } from '../ports/crypto.js';

interface StandardWebhooksOptions {
  /** One secret, or several separated by spaces or commas during a rotation: a signature with any of them is valid. */
  readonly secret: string;
  readonly clock: Clock;
}

/** The three headers, checked for their form. */
interface Claims {
  readonly id: string;
  /** Seconds since the epoch. */
  readonly timestamp: number;
  /** Signatures of the only supported version, HMAC-SHA256: `v1,` and base64. */
  readonly signatures: readonly string[];
}

const TOLERANCE_SECONDS = 5 * 60;
/** Bytes of a key (Standard Webhooks 1.0.0, "Signature scheme"). */
const MIN_KEY_BYTES = 24;
const MAX_KEY_BYTES = 64;
const PREFIX = 'whsec_';
/**
 * The signed text is `{id}.{timestamp}.{body}`: if an id held a full stop, the same signature would also be valid for
 * another division into three (the specification warns of this).
 */
const ID = /^(?!.*\.)[!-~]{1,256}$/;
const TIMESTAMP = /^\d{1,12}$/;
const SIGNATURE = /^v1,[A-Za-z0-9+/]{43}=$/;

/**
 * Signatures of the Standard Webhooks specification (1.0.0). Its own package reads the system's clock, takes `123abc` for
 * a timestamp, and tries one secret; tests compare this code with that package. Throws `config` at once for a malformed secret.
 */
export function standardWebhooks({ secret, clock }: StandardWebhooksOptions): WebhookVerifier {
  const keys = readSecrets(secret);
  return {
    verify(request) {
      const claims = readClaims(request);
      // The signature first: the difference of the clocks is reported only to callers that know the secret.
      if (!hasValidSignature(keys, claims, request.body))
        throw new AppError('signature-wrong', 'The signature does not fit the request', {
          hint: 'Sign `{webhook-id}.{webhook-timestamp}.{body}`, the body byte for byte as it is sent, with RESTORE_WEBHOOK_SECRET.',
        });
      const aheadSeconds = claims.timestamp - Math.floor(clock.now() / 1000);
      if (Math.abs(aheadSeconds) > TOLERANCE_SECONDS) throw staleError(aheadSeconds);
      return claims.id;
    },
  };
}

/** The headers of a request with this body, signed with the first secret. Throws `config` for a malformed secret. */
export function signHeaders(
  { clock, secret }: StandardWebhooksOptions,
  body: string,
  id = `doctor-${randomUUID()}`,
): Record<string, string> {
  const [key] = readSecrets(secret) as [Buffer, ...Buffer[]];
  const timestamp = Math.floor(clock.now() / 1000);
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': sign(key, { id, timestamp }, body),
  };
}

function sign(key: Buffer, { id, timestamp }: Pick<Claims, 'id' | 'timestamp'>, body: string): string {
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

function readSecrets(text: string): Buffer[] {
  const secrets = text.split(/[\s,]+/).filter((secret) => secret !== '');
  if (secrets.length === 0) throw configError('RESTORE_WEBHOOK_SECRET is empty');
  return secrets.map((secret, index) => {
    const name = secrets.length === 1 ? '' : `Secret ${index + 1} of ${secrets.length} in `;
    return readSecret(secret, `${name}RESTORE_WEBHOOK_SECRET`);
  });
}

function readSecret(secret: string, name: string): Buffer {
  const key = decodeKey(secret);
  if (key === null) throw configError(`${name} is not ${PREFIX} and base64`);
  const { length } = key;
  if (length >= MIN_KEY_BYTES && length <= MAX_KEY_BYTES) return key;
  throw configError(`${name} is ${length} bytes long, not ${MIN_KEY_BYTES} to ${MAX_KEY_BYTES}`);
}

/** Null for text that is not complete base64; the specification's package ignores a stray character at the end. */
function decodeKey(secret: string): Buffer | null {
  if (!secret.startsWith(PREFIX)) return null;
  const digits = secret.slice(PREFIX.length).replace(/=+$/, '');
  const key = Buffer.from(digits, 'base64');
  return key.toString('base64').replace(/=+$/, '') === digits ? key : null;
}

function readClaims({ headers }: WebhookRequest): Claims {
  const id = headers['webhook-id'] ?? '';
  const timestamp = headers['webhook-timestamp'] ?? '';
  const signatures = (headers['webhook-signature'] ?? '').split(' ').filter((entry) => SIGNATURE.test(entry));
  if (!ID.test(id)) throw headerError('webhook-id', 'a text of up to 256 visible ASCII characters without a full stop');
  if (!TIMESTAMP.test(timestamp)) throw headerError('webhook-timestamp', 'the time in whole seconds since 1970');
  if (signatures.length === 0) throw headerError('webhook-signature', '`v1,` and the base64 of an HMAC-SHA256');
  return { id, timestamp: Number(timestamp), signatures };
}

/** Every secret is tried on every signature, so that the time taken does not reveal which secret is right. */
function hasValidSignature(keys: readonly Buffer[], claims: Claims, body: string): boolean {
  let isValid = false;
  for (const key of keys) {
    const expected = Buffer.from(sign(key, claims, body));
    for (const signature of claims.signatures) {
      const given = Buffer.from(signature);
      const isEqual = given.length === expected.length && timingSafeEqual(given, expected);
      isValid = isEqual || isValid;
    }
  }
  return isValid;
}

function headerError(header: string, form: string): AppError {
  return new AppError('signature-missing', `The header ${header} is missing or malformed`, {
    hint: `Sign the request as standardwebhooks.com says; ${header} is ${form}.`,
  });
}

function staleError(aheadSeconds: number): AppError {
  const distance = `${Math.abs(aheadSeconds)} seconds ${aheadSeconds > 0 ? 'in the future' : 'ago'}`;
  return new AppError('signature-stale', `The request was signed ${distance}, more than ${TOLERANCE_SECONDS}`, {
    hint: 'Sign the request again with the current time, and check the clock of the machine that signs.',
  });
}

function configError(message: string): AppError {
  return new AppError('config', message, {
    hint: `Set it to a secret such as \`echo "${PREFIX}$(openssl rand -base64 32)"\` prints; several go with a space between them.`,
  });
}
