import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import fc from '../support/fast-check.js';
import { ageEncryptor } from '../../lib/crypto/age.js';

const run = promisify(execFile);
const text = Buffer.from('{"k":"feedback:p:1","t":"string","v":"hello"}\n');
let folder: string;
let identity: string;
let recipient: string;
let keyFile: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'age-'));
  identity = await generateX25519Identity();
  recipient = await identityToRecipient(identity);
  keyFile = join(folder, 'key.txt');
  await writeFile(keyFile, `${identity}\n`, { mode: 0o600 });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('together with the age program', () => {
  it.each([0, 1, 65_535, 65_536, 65_537, 1_000_000])('its %i bytes are read by age -d', async (size) => {
    const plain = Buffer.alloc(size, 'abc');
    const sealed = await ageEncryptor({ recipients: [recipient], identity: null }).encrypt(plain);
    await writeFile(join(folder, 'ours.age'), sealed);
    const options = { encoding: 'buffer', maxBuffer: 2 * size + 1024 } as const;
    const { stdout } = await run('age', ['-d', '-i', keyFile, join(folder, 'ours.age')], options);
    expect(stdout.equals(plain)).toBe(true);
  });

  it.each([0, 1, 65_536, 1_000_000])('reads the %i bytes that age wrote', async (size) => {
    const plain = Buffer.alloc(size, 'xyz');
    await writeFile(join(folder, 'theirs'), plain);
    await run('age', ['-r', recipient, '-o', join(folder, 'theirs.age'), join(folder, 'theirs')]);
    const opened = await ageEncryptor({ recipients: [], identity }).open(
      await readFile(join(folder, 'theirs.age')),
      '.age',
    );
    expect(Buffer.from(opened).equals(plain)).toBe(true);
  });

  it('takes the key file that age-keygen writes', async () => {
    const file = join(folder, 'generated.txt');
    await run('age-keygen', ['-o', file]);
    const generated = await readFile(file, 'utf8');
    const publicKey = /public key: (age1\S+)/.exec(generated)?.[1] ?? '';
    const encryptor = ageEncryptor({ recipients: [publicKey], identity: generated });
    expect(Buffer.from(await encryptor.open(await encryptor.encrypt(text), '.age'))).toEqual(text);
  });
});

describe('ageEncryptor', () => {
  it('decrypts any bytes, for any of its recipients, with any of its identities', async () => {
    const second = await generateX25519Identity();
    const both = ageEncryptor({ recipients: [recipient, await identityToRecipient(second)], identity });
    const rotated = ageEncryptor({
      recipients: [],
      identity: `# old\n${await generateX25519Identity()}\n\n${second}\n`,
    });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200_000 }), async (plain) => {
        const sealed = await both.encrypt(plain);
        expect(Buffer.from(sealed).includes(Buffer.from(plain)) && plain.length > 8).toBe(false);
        expect(Buffer.compare(await both.open(sealed, '.age'), plain)).toBe(0);
        expect(Buffer.compare(await rotated.open(sealed, '.age'), plain)).toBe(0);
      }),
      { numRuns: 20 },
    );
  });

  it('changes nothing when there are no recipients', async () => {
    const open = ageEncryptor({ recipients: [], identity: null });
    expect(open).toMatchObject({ suffix: '', recipients: [] });
    expect(await open.encrypt(text)).toEqual(text);
    expect(await open.open(text, '')).toEqual(text);
    expect(ageEncryptor({ recipients: [recipient], identity: null })).toMatchObject({
      suffix: '.age',
      recipients: [recipient],
    });
  });

  it('names BACKUP_AGE_IDENTITY when it is missing or another key', async () => {
    const writer = ageEncryptor({ recipients: [recipient], identity: null });
    const sealed = await writer.encrypt(text);
    await expect(writer.open(sealed, '.age')).rejects.toMatchObject({ code: 'wrong-key' });
    const stranger = ageEncryptor({ recipients: [recipient], identity: await generateX25519Identity() });
    await expect(stranger.open(sealed, '.age')).rejects.toMatchObject({ code: 'wrong-key' });
  });

  it('notices every cut and every altered byte', async () => {
    const encryptor = ageEncryptor({ recipients: [recipient], identity });
    const sealed = await encryptor.encrypt(text);
    const header = Buffer.from(sealed).indexOf('\n---') + 1;
    for (let at = 0; at < sealed.length; at++) {
      const altered = Uint8Array.from(sealed);
      altered[at] = (altered[at] ?? 0) ^ 1;
      // An altered key stanza cannot be told from one for another recipient.
      const code = expect.stringMatching(at < header ? /^(damaged|wrong-key)$/ : /^damaged$/) as unknown;
      await expect(encryptor.open(altered, '.age')).rejects.toMatchObject({ code });
    }
    for (let length = 0; length < sealed.length; length++) {
      await expect(encryptor.open(sealed.slice(0, length), '.age')).rejects.toMatchObject({ code: 'damaged' });
    }
    await expect(encryptor.open(text, '.age')).rejects.toMatchObject({ code: 'damaged' });
  });

  it('refuses bad keys at once, without showing them', () => {
    for (const bad of ['', 'age1nonsense', 'ssh-ed25519 AAAA', identity, `${recipient}x`]) {
      expect(shownBy(() => ageEncryptor({ recipients: [bad], identity: null }))).not.toContain(bad || 'never');
    }
    for (const bad of ['', '# only a comment', 'AGE-SECRET-KEY-1NONSENSE', `${identity}Q`, recipient]) {
      expect(shownBy(() => ageEncryptor({ recipients: [], identity: bad }))).not.toContain(bad || 'never');
    }
  });
});

function shownBy(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    expect(error).toMatchObject({ code: 'config' });
    const { message, hint, stack, cause } = error as Error & { hint: string };
    return JSON.stringify([message, hint, stack, String(cause)]);
  }
  throw new Error('nothing was thrown');
}
