import { createHmac, randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { standardWebhooks } from '../../lib/services/standard-webhooks.js';
import { AppError } from '../../lib/errors.js';
import { manualClock } from '../support/clocks.js';
import { webhookVerifierContract, type WebhookRig } from '../contracts/webhook-verifier.js';

const newSecret = (bytes = 32): string => `whsec_${randomBytes(bytes).toString('base64')}`;
const signWith = (secret: string) => (id: string, seconds: number, body: string) =>
  new Webhook(secret).sign(id, new Date(seconds * 1000), body);

function open(): WebhookRig {
  const secret = newSecret();
  const clock = manualClock();
  return {
    clock,
    verifier: standardWebhooks({ secret, clock }),
    sign: signWith(secret),
    forge: signWith(newSecret()),
  };
}

webhookVerifierContract('standardWebhooks', open);

/** The error that a secret is refused with. */
function refused(secret: string): AppError {
  try {
    standardWebhooks({ secret, clock: manualClock() });
  } catch (error) {
    if (error instanceof AppError) return error;
  }
  throw new Error('the secret was taken');
}

describe('standardWebhooks', () => {
  const clock = manualClock();
  const at = Math.floor(clock.now() / 1000);
  const request = (signature: string) => ({
    body: '{}',
    headers: { 'webhook-id': 'a', 'webhook-timestamp': String(at), 'webhook-signature': signature },
  });

  it('accepts signatures of the specification, computed without its package', () => {
    const secret = newSecret();
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
    const mac = createHmac('sha256', key).update(`a.${at}.{}`).digest('base64');
    expect(standardWebhooks({ secret, clock }).verify(request(`v1,${mac}`))).toBe('a');
  });

  it.each([' ', ',', ', ', '\n'])('accepts each of several secrets, separated by %j', (separator) => {
    const secrets = [newSecret(), newSecret(24), newSecret(64)];
    const verifier = standardWebhooks({ secret: ` ${secrets.join(separator)}\n`, clock });
    for (const secret of secrets) expect(verifier.verify(request(signWith(secret)('a', at, '{}')))).toBe('a');
    expect(() => verifier.verify(request(signWith(newSecret())('a', at, '{}')))).toThrow('does not fit');
  });

  it.each([
    ['nothing', ' , '],
    ['no prefix', newSecret().slice('whsec_'.length)],
    ['a private key of the other kind', newSecret().replace('whsec_', 'whsk_')],
    ['no key', 'whsec_'],
    ['what is not base64', 'whsec_0123456789abcdef0123456789abcdef!'],
    ['base64url', `whsec_${'-_'.repeat(16)}`],
    ['base64 that was cut off', `whsec_${'A'.repeat(33)}`],
    ['too short a key', newSecret(23)],
    ['too long a key', newSecret(65)],
  ])('refuses %s as a secret, and does not quote it', (_, secret) => {
    const { code, message, hint } = refused(secret);
    expect(code).toBe('config');
    expect(message).toContain('RESTORE_WEBHOOK_SECRET');
    const key = secret.replace('whsec_', '').trim();
    if (key.length > 1) expect(message + hint).not.toContain(key);
  });

  it('reads a secret without padding as the same key', () => {
    const secret = newSecret(32);
    const verifier = standardWebhooks({ secret: secret.replaceAll('=', ''), clock });
    expect(verifier.verify(request(signWith(secret)('a', at, '{}')))).toBe('a');
  });

  it('says which of several secrets is malformed', () => {
    expect(refused(`${newSecret()} whsec_abc`).message).toContain('Secret 2 of 2');
    expect(refused(`${newSecret(8)} ${newSecret()}`).message).toContain('8 bytes');
  });
});
