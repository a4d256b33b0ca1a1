/** Ed25519 signatures (RFC 8032) over manifests. */
export interface Signer {
  /** Signs, as base64; null when no private key is set. */
  sign(bytes: Uint8Array): string | null;
  /** Whether `signature` fits our public key; null when no key is set to judge by. */
  verify(bytes: Uint8Array, signature: string): boolean | null;
}
