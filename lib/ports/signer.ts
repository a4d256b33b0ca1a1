/** Ed25519 signatures (RFC 8032) over manifests and control objects. */
export interface Signer {
  /** Signs, as base64; null when no private key is set. */
  sign(bytes: Uint8Array): string | null;
  /** Whether `signature` fits one of the accepted public keys; null when no key is set. */
  verify(bytes: Uint8Array, signature: string): boolean | null;
  /** Names the accepted public keys, as a set; empty when no key is set. */
  readonly accepts: string;
}
