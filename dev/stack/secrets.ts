import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { newSigningKey } from '../qstash/signing.js';

/** Credentials between the parts of a stack; random, and useless outside it. */
export interface StackSecrets {
  readonly redisToken: string;
  /** A token that may read but not list keys, to test refusals. */
  readonly redisReadOnlyToken: string;
  /** Token of the scratch database. */
  readonly scratchToken: string;
  readonly queueToken: string;
  readonly vectorToken: string;
  readonly geminiKey: string;
  readonly currentSigningKey: string;
  readonly nextSigningKey: string;
  readonly cronSecret: string;
  readonly adminToken: string;
  /** For requests to the restore webhook. */
  readonly webhookSecret: string;
  /** Ed25519, PKCS#8 as base64 of DER. */
  readonly manifestKey: string;
}

const TOKEN_BYTES = 24;

export function newSecrets(): StackSecrets {
  const token = (): string => randomBytes(TOKEN_BYTES).toString('base64url');
  const { privateKey } = generateKeyPairSync('ed25519');
  return {
    redisToken: token(),
    redisReadOnlyToken: token(),
    scratchToken: token(),
    queueToken: token(),
    vectorToken: token(),
    geminiKey: token(),
    currentSigningKey: newSigningKey(),
    nextSigningKey: newSigningKey(),
    cronSecret: token(),
    adminToken: token(),
    webhookSecret: `whsec_${randomBytes(TOKEN_BYTES).toString('base64')}`,
    manifestKey: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
  };
}
