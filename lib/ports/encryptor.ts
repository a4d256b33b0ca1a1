/**
 * Encryption of parts at rest. `open` throws AppError `wrong-key` when there is no matching identity, and `damaged` when the
 * bytes were altered.
 */
export interface Encryptor {
  /** Suffix of the names of encrypted objects: `.age`, or empty when nothing is encrypted. */
  readonly suffix: '' | '.age';
  /** Public recipients that parts are encrypted to; empty when nothing is encrypted. */
  readonly recipients: readonly string[];
  /** Whether there is an identity to decrypt with. */
  readonly canOpen: boolean;
  /** Encrypts to the recipients; returns the bytes unchanged if there are none. */
  encrypt(plain: Uint8Array): Promise<Uint8Array>;
  /** Decrypts the result of `encrypt`, according to the suffix of the object. */
  open(encrypted: Uint8Array, suffix: '' | '.age'): Promise<Uint8Array>;
  /** Like `encrypt`, for data that does not fit into memory. Throws `config` when there are no recipients. */
  encryptStream(plain: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>>;
  /** Like `open`, for an age file that does not fit into memory; `damaged` may be thrown only at its end. */
  openStream(encrypted: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>>;
}
