import { fstatSync } from 'node:fs';
import { formatEnvLine } from '../app/config/env-file.js';
import { generateAgeIdentity, generateSigningKey } from '../app/connect/keys.js';
import { CALLER_SECRETS, identityFileText, generateSecret } from '../setup/secrets.js';
import type { Context } from './context.js';
import { createPrivateFile } from './private-file.js';

export type KeyKind = 'age' | 'signing' | 'secrets';

export interface KeygenOptions {
  /** The file to write to; without it, keys are printed. */
  readonly out?: string;
}

/** New keys of one kind. */
interface GeneratedKeys {
  /** The text with the secrets. */
  readonly text: string;
  readonly secrets: Readonly<Record<string, string>>;
  /** Public values, by name. */
  readonly open: Readonly<Record<string, string>>;
  readonly advice: string;
}

/** `keygen`: writes new keys to a file that only its owner may read, or prints them. They are sent nowhere. */
export async function keygen(context: Context, kind: KeyKind, { out }: KeygenOptions): Promise<number> {
  const { advice, open, secrets, text } = await GENERATORS[kind]();
  if (out === undefined) {
    context.print(appendsToFile() ? `\n${text.trimEnd()}` : text.trimEnd());
    context.note(advice);
    context.document({ kind, file: null, ...open, secrets });
    return 0;
  }
  await createPrivateFile(out, text);
  context.print([`Written to ${out}, readable only by you.`, ...Object.values(open)].join('\n'));
  context.note(advice);
  context.document({ kind, file: out, ...open });
  return 0;
}

/** Whether a shell's `>> .env` takes the keys: a last line without an end would take them into its value. */
function appendsToFile(): boolean {
  const { fd } = process.stdout as { fd?: number };
  if (fd === undefined) return false;
  const stats = fstatSync(fd);
  return stats.isFile() && stats.size > 0;
}

const GENERATORS: Readonly<Record<KeyKind, () => Promise<GeneratedKeys>>> = {
  async age() {
    const { identity, recipient } = await generateAgeIdentity();
    return {
      text: identityFileText(identity, recipient, new Date()),
      secrets: { identity },
      open: { recipient },
      advice:
        'Set BACKUP_AGE_RECIPIENTS to the public key. Keep copies of the identity in two places away from this machine, such as a password manager and a safe: without it, every encrypted snapshot is lost.',
    };
  },
  signing() {
    const { privateKey, publicKey } = generateSigningKey();
    return Promise.resolve({
      text: `${formatEnvLine('BACKUP_SIGNING_KEY', privateKey)}\n`,
      secrets: { BACKUP_SIGNING_KEY: privateKey },
      open: { publicKey },
      advice: `The public key, for machines that only verify: ${formatEnvLine('BACKUP_SIGNING_PUBLIC_KEY', publicKey)}`,
    });
  },
  secrets() {
    const secrets = Object.fromEntries(CALLER_SECRETS.map((name) => [name, generateSecret(name)]));
    const lines = Object.entries(secrets).map(([name, value]) => `${formatEnvLine(name, value)}\n`);
    return Promise.resolve({
      text: lines.join(''),
      secrets,
      open: {},
      advice: 'Set them in .env and in the Vercel project. Anyone who has them may call the functions.',
    });
  },
};
