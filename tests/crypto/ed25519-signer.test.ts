import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { ed25519Signer, generateSigningKey } from '../../lib/crypto/ed25519.js';

const pair = generateSigningKey();
const signer = ed25519Signer({ ...pair, publicKey: null });
const text = Buffer.from('a manifest');

function signed(bytes: Uint8Array): string {
  const signature = signer.sign(bytes);
  if (signature === null) throw new Error('not signed');
  return signature;
}

describe('ed25519Signer', () => {
  it('signs as RFC 8032 says (section 7.1, test 2)', () => {
    const seed = '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb';
    const privateKey = Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex').toString('base64');
    const expected =
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00';
    const signature = ed25519Signer({ privateKey, publicKey: null }).sign(Buffer.from([0x72]));
    expect(Buffer.from(signature ?? '', 'base64').toString('hex')).toBe(expected);
  });

  it('accepts its own signatures and no others', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), fc.nat(), (bytes, at) => {
        const signature = signed(bytes);
        const other = Uint8Array.from(bytes);
        other[at % bytes.length] = (other[at % bytes.length] ?? 0) ^ 1;
        expect(signer.verify(bytes, signature)).toBe(true);
        expect(signer.verify(other, signature)).toBe(false);
      }),
    );
  });

  it.each<[string, (signature: string) => string]>([
    ['nothing', () => ''],
    ['other characters', () => '!!!'],
    ['a part of it', (signature) => signature.slice(0, -4)],
    ['it with a space', (signature) => `${signature} `],
    ['it and more', (signature) => `${signature}AAAA`],
  ])('takes %s for no signature', (_, alter) => {
    expect(signer.verify(text, alter(signed(text)))).toBe(false);
  });

  it('verifies with the public key alone, and then signs nothing', () => {
    const reader = ed25519Signer({ privateKey: null, publicKey: pair.publicKey });
    expect(reader.sign(text)).toBeNull();
    expect(reader.verify(text, signed(text))).toBe(true);
    const stranger = ed25519Signer({ privateKey: null, publicKey: generateSigningKey().publicKey });
    expect(stranger.verify(text, signed(text))).toBe(false);
  });

  it('neither accepts nor refuses a signature without keys', () => {
    const none = ed25519Signer({ privateKey: null, publicKey: null });
    expect(none.sign(text)).toBeNull();
    expect(none.verify(text, signed(text))).toBeNull();
  });

  it('reads keys as PEM, with line ends written out as well', () => {
    const der = (key: string) => Buffer.from(key, 'base64');
    const secret = createPrivateKey({ key: der(pair.privateKey), format: 'der', type: 'pkcs8' });
    const open = createPublicKey({ key: der(pair.publicKey), format: 'der', type: 'spki' });
    const privateKey = secret.export({ format: 'pem', type: 'pkcs8' }).toString();
    const publicKey = open.export({ format: 'pem', type: 'spki' }).toString();
    for (const keys of [
      { privateKey, publicKey },
      { privateKey: privateKey.replaceAll('\n', '\\n'), publicKey: null },
    ]) {
      expect(ed25519Signer(keys).sign(text)).toBe(signed(text));
    }
  });

  it('refuses what is no Ed25519 key, without showing it', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const rsaKey = rsa.export({ format: 'der', type: 'pkcs8' }).toString('base64');
    const pem = createPrivateKey({ key: Buffer.from(pair.privateKey, 'base64'), format: 'der', type: 'pkcs8' });
    const secretPem = pem.export({ format: 'pem', type: 'pkcs8' }).toString();
    const bad = [
      { privateKey: 'nonsense-secret', publicKey: null },
      { privateKey: rsaKey, publicKey: null },
      { privateKey: pair.publicKey, publicKey: null },
      { privateKey: null, publicKey: pair.privateKey },
      { privateKey: null, publicKey: secretPem },
      { privateKey: null, publicKey: '' },
    ];
    for (const keys of bad) {
      const error = errorOf(() => ed25519Signer(keys));
      expect(error).toMatchObject({ code: 'config' });
      const shown = JSON.stringify([(error as Error).message, (error as { hint: string }).hint]);
      expect(shown).not.toContain((keys.privateKey ?? keys.publicKey).slice(0, 12) || 'never');
    }
  });

  it('accepts signatures of any of several keys, and always its own', () => {
    const [first, second] = [generateSigningKey(), generateSigningKey()];
    const by = (privateKey: string) => ed25519Signer({ privateKey, publicKey: null }).sign(text) ?? '';
    for (const between of [',', '\n', ', ', '\\n']) {
      const list = [first.publicKey, second.publicKey].join(between);
      const reader = ed25519Signer({ privateKey: null, publicKey: list });
      expect([by(first.privateKey), by(second.privateKey)].map((one) => reader.verify(text, one))).toEqual([
        true,
        true,
      ]);
      expect(reader.verify(text, signed(text))).toBe(false);
    }
    const rotated = ed25519Signer({ privateKey: pair.privateKey, publicKey: first.publicKey });
    expect([signed(text), by(first.privateKey)].map((one) => rotated.verify(text, one))).toEqual([true, true]);
    expect(rotated.verify(text, by(second.privateKey))).toBe(false);
  });

  it('reads a list of PEM blocks, and one that mixes the forms', () => {
    const [first, second] = [generateSigningKey(), generateSigningKey()];
    const pem = (key: string) =>
      createPublicKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'spki' })
        .export({ format: 'pem', type: 'spki' })
        .toString();
    const signature = ed25519Signer({ privateKey: second.privateKey, publicKey: null }).sign(text) ?? '';
    for (const list of [
      pem(first.publicKey) + pem(second.publicKey),
      `${first.publicKey},${pem(second.publicKey).replaceAll('\n', '\\n')}`,
    ]) {
      expect(ed25519Signer({ privateKey: null, publicKey: list }).verify(text, signature)).toBe(true);
    }
  });

  it('refuses a list in which one entry is no key', () => {
    const keys = { privateKey: pair.privateKey, publicKey: `${generateSigningKey().publicKey},nonsense` };
    expect(() => ed25519Signer(keys)).toThrow('not an Ed25519 key');
  });
});

function errorOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
