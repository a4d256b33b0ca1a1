/** Ed25519 signatures (RFC 8032) over manifests and control objects. */
export interface Signer {
  /** The signature in base64; null if no private key is set. */
  sign(bytes: Uint8Array): string | null;
  /** Whether `signature` is valid for one of the accepted public keys; null if no key is set. */
  verify(bytes: Uint8Array, signature: string): boolean | null;
  /** Identifies the set of accepted public keys; empty if no key is set. */
  readonly accepts: string;
}
