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

/** Ed25519 signatures (RFC 8032) over manifests and control objects. */
export interface Signer {
  /** The signature in base64; null if no private key is set. */
  sign(bytes: Uint8Array): string | null;
  /** Whether `signature` is valid for one of the accepted public keys; null if no key is set. */
  verify(bytes: Uint8Array, signature: string): boolean | null;
  /** Identifies the accepted public keys, separated by commas; empty if no key is set. */
  readonly accepts: string;
}

/** A request: the raw body, and the headers by lower-case name. */
export interface WebhookRequest {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Checks signatures of the Standard Webhooks specification (standardwebhooks.com), version 1. */
export interface WebhookVerifier {
  /**
   * The id of a webhook with a valid and recent signature. Throws AppError `signature-missing` (a header is missing
   * or malformed), `signature-stale` (signed more than 5 minutes ago or ahead) or `signature-wrong`.
   */
  verify(request: WebhookRequest): string;
}
