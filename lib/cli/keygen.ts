import { formatEnvLine } from '../app/config/env-file.js';
import { generateAgeIdentity, generateSigningKey } from '../app/connect/keys.js';
import { CALLER_SECRETS, identityFileText, generateSecret } from '../setup/secrets.js';
import type { Context } from './context.js';
import { createPrivateFile } from './private-file.js';

export type KeyKind = 'age' | 'signing' | 'secrets';

export interface KeygenOptions {
  /** Where to write; shown without one. */
  readonly out?: string;
}

/** Fresh keys of one kind. */
interface Made {
  /** The text that holds what is secret. */
  readonly text: string;
  readonly secrets: Readonly<Record<string, string>>;
  /** What everybody may know, by name. */
  readonly open: Readonly<Record<string, string>>;
  readonly advice: string;
}

/** `keygen`: fresh keys, into a file that only its owner may read, or shown. Nothing of them goes anywhere else. */
export async function keygen(context: Context, kind: KeyKind, { out }: KeygenOptions): Promise<number> {
  const { advice, open, secrets, text } = await MAKERS[kind]();
  if (out === undefined) {
    context.print(text.trimEnd());
    context.note(advice);
    context.document({ kind, file: null, ...open, secrets });
    return 0;
  }
  await createPrivateFile(out, text);
  context.print([`Written to ${out}, which you alone may read.`, ...Object.values(open)].join('\n'));
  context.note(advice);
  context.document({ kind, file: out, ...open });
  return 0;
}

const MAKERS: Readonly<Record<KeyKind, () => Promise<Made>>> = {
  async age() {
    const { identity, recipient } = await generateAgeIdentity();
    return {
      text: identityFileText(identity, recipient, new Date()),
      secrets: { identity },
      open: { recipient },
      advice:
        'Put the public key into BACKUP_AGE_RECIPIENTS. Keep the identity in two places away from this machine, such as a password manager and a safe: without it every encrypted snapshot is lost.',
    };
  },
  signing() {
    const { privateKey, publicKey } = generateSigningKey();
    return Promise.resolve({
      text: `${formatEnvLine('BACKUP_SIGNING_KEY', privateKey)}\n`,
      secrets: { BACKUP_SIGNING_KEY: privateKey },
      open: { publicKey },
      advice: `The public half, for places that only verify: ${formatEnvLine('BACKUP_SIGNING_PUBLIC_KEY', publicKey)}`,
    });
  },
  secrets() {
    const secrets = Object.fromEntries(CALLER_SECRETS.map((name) => [name, generateSecret(name)]));
    const lines = Object.entries(secrets).map(([name, value]) => `${formatEnvLine(name, value)}\n`);
    return Promise.resolve({
      text: lines.join(''),
      secrets,
      open: {},
      advice: 'Set them in .env and in the Vercel project; whoever has them may call the functions.',
    });
  },
};
