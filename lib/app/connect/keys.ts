export { generateAgeIdentity, recipientsOf } from '../../crypto/age.js';
export { generateSigningKey, publicKeyOf, publicKeysIn } from '../../crypto/ed25519.js';
