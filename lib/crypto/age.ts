import { ReadableStream } from 'node:stream/web';
import { Decrypter, Encrypter, generateIdentity, identityToRecipient } from 'age-encryption';
import { AppError } from '../errors.js';
import type { Encryptor } from '../ports/crypto.js';

interface AgeOptions {
  /** Public keys, `age1...`; empty to leave parts unencrypted. */
  readonly recipients: readonly string[];
  /**
   * Secret key, `AGE-SECRET-KEY-1...`, or several, separated by line ends (as in a file of age-keygen) or commas: after a change of
   * keys, old and new parts can be read. Null where nothing is decrypted.
   */
  readonly identity: string | null;
}

/** Encryption with age (age-encryption.org/v1). Throws `config` at once when a key is not an age key. */
export function ageEncryptor({ recipients, identity }: AgeOptions): Encryptor {
  const encrypter = encrypterFor(recipients);
  const decrypter = identity === null ? null : decrypterFor(identity);
  return {
    suffix: recipients.length === 0 ? '' : '.age',
    recipients: [...recipients],
    canOpen: decrypter !== null,
    encrypt: (plain) => (recipients.length === 0 ? Promise.resolve(plain) : encrypter.encrypt(plain)),
    async open(encrypted, suffix) {
      if (suffix === '') return encrypted;
      if (decrypter === null) throw wrongKeyError('no identity is set');
      try {
        return await decrypter.decrypt(encrypted);
      } catch (error) {
        throw decryptionError(error);
      }
    },
    async encryptStream(plain) {
      if (recipients.length === 0)
        throw new AppError('config', 'BACKUP_AGE_RECIPIENTS is not set, so nothing can be encrypted', {
          hint: 'Set BACKUP_AGE_RECIPIENTS to the public key that age-keygen prints.',
        });
      return encrypter.encrypt(streamOf(plain));
    },
    async openStream(encrypted) {
      if (decrypter === null) throw wrongKeyError('no identity is set');
      try {
        return withAgeErrors(await decrypter.decrypt(streamOf(encrypted)));
      } catch (error) {
        throw decryptionError(error);
      }
    },
  };
}

/** A fresh pair: the secret key `AGE-SECRET-KEY-1...` and its public half, `age1...`. */
export async function generateAgeIdentity(): Promise<{ readonly identity: string; readonly recipient: string }> {
  const identity = await generateIdentity();
  return { identity, recipient: await identityToRecipient(identity) };
}

/** The public keys of identities, given in any form that the option `identity` takes. Throws `config` for an invalid one. */
export async function recipientsOf(identity: string): Promise<string[]> {
  return Promise.all(
    identityLines(identity).map((key) =>
      identityToRecipient(key).catch(() => {
        throw invalidIdentityError();
      }),
    ),
  );
}

/** The library declares the browser's stream types; Node's streams are the same under another name. */
type AgeStream = Parameters<Encrypter['encrypt']>[0] & globalThis.ReadableStream<Uint8Array>;

function streamOf(chunks: AsyncIterable<Uint8Array>): AgeStream {
  const stream: unknown = ReadableStream.from(chunks);
  return stream as AgeStream;
}

/** The stream's chunks; an error of the library becomes an `AppError`. */
async function* withAgeErrors(plain: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* plain;
  } catch (error) {
    throw decryptionError(error);
  }
}

function encrypterFor(recipients: readonly string[]): Encrypter {
  const encrypter = new Encrypter();
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient);
    } catch {
      // The value is not shown: the usual mistake is to put the secret identity here.
      throw new AppError('config', 'A value in BACKUP_AGE_RECIPIENTS is not an age recipient', {
        hint: 'A recipient is the public key that age-keygen prints: it starts with "age1". Separate several with commas.',
      });
    }
  }
  return encrypter;
}

function decrypterFor(identity: string): Decrypter {
  const keys = identityLines(identity);
  if (keys.length === 0) throw invalidIdentityError();
  const decrypter = new Decrypter();
  for (const key of keys) {
    try {
      decrypter.addIdentity(key);
    } catch {
      // The library's error is not kept as the cause: it may quote the key.
      throw invalidIdentityError();
    }
  }
  return decrypter;
}

function identityLines(identity: string): string[] {
  const lines = identity.split(/\r?\n|,/).map((line) => line.trim());
  return lines.filter((line) => line !== '' && !line.startsWith('#'));
}

function invalidIdentityError(): AppError {
  return new AppError('config', 'BACKUP_AGE_IDENTITY is not an age identity', {
    hint: 'An identity is the secret key that age-keygen prints: it starts with "AGE-SECRET-KEY-1". Keys under a passphrase and SSH keys are not supported.',
  });
}

function decryptionError(error: unknown): AppError {
  if (error instanceof Error && error.message.startsWith('no identity matched'))
    return wrongKeyError('the identity does not match');
  return new AppError('damaged', 'An encrypted part was altered or cut short', {
    hint: 'Choose another snapshot, or bring back an older version of this object if the bucket keeps versions.',
    cause: error,
  });
}

function wrongKeyError(what: string): AppError {
  return new AppError('wrong-key', `The part is encrypted and ${what}`, {
    hint: "Set BACKUP_AGE_IDENTITY to the secret key of one of the recipients in the snapshot's manifest.",
  });
}
