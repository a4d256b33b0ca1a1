/**
 * Encryption of parts at rest. `open` throws AppError `wrong-key` when there is no identity, or none that fits, and
 * `damaged` when the bytes were altered.
 */
export interface Sealer {
  /** Suffix of the name of a sealed object: `.age`, or empty when nothing is encrypted. */
  readonly suffix: '' | '.age';
  /** Public recipients that parts are encrypted to; empty when nothing is encrypted. */
  readonly recipients: readonly string[];
  /** Whether there is an identity to open sealed objects with. */
  readonly canOpen: boolean;
  /** Encrypts to the recipients; returns the bytes as they are when there are none. */
  seal(plain: Uint8Array): Promise<Uint8Array>;
  /** Decrypts what `seal` made, told by the object's suffix. */
  open(sealed: Uint8Array, suffix: '' | '.age'): Promise<Uint8Array>;
}
