/**
 * Encryption of parts at rest. `open` throws AppError `wrong-key` when there is no identity, or none that fits, and
 * `damaged` when the bytes were altered.
 */
export interface Encryptor {
  /** Suffix of the name of a sealed object: `.age`, or empty when nothing is encrypted. */
  readonly suffix: '' | '.age';
  /** Public recipients that parts are encrypted to; empty when nothing is encrypted. */
  readonly recipients: readonly string[];
  /** Whether there is an identity to open sealed objects with. */
  readonly canOpen: boolean;
  /** Encrypts to the recipients; returns the bytes as they are when there are none. */
  encrypt(plain: Uint8Array): Promise<Uint8Array>;
  /** Decrypts what `seal` made, told by the object's suffix. */
  open(encrypted: Uint8Array, suffix: '' | '.age'): Promise<Uint8Array>;
  /** As `seal`, for what does not fit into memory. Throws `config` when there are no recipients. */
  encryptStream(plain: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>>;
  /** As `open`, for an age file that does not fit into memory; `damaged` may come at its very end. */
  openStream(encrypted: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>>;
}
