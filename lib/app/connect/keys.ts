export { generateAgeIdentity, recipientsOf } from '../../crypto/age.js';
export { generateSigningKey, publicKeyOf } from '../../crypto/ed25519.js';
