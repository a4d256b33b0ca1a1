import { fstatSync } from 'node:fs';
import { formatEnvLine, parseEnvFile } from '../app/config/env-file.js';
import {
  generateAgeIdentity,
  generateSigningKey,
  publicKeyOf,
  publicKeysIn,
  recipientsOf,
} from '../app/connect/stores.js';
import {
  ADOPT_COMMAND,
  CALLER_SECRETS,
  generateSecret,
  identityAdvice,
  identityFileText,
  isFirstSigningKey,
  replaceKeys,
} from '../setup/secrets.js';
import type { Context } from './context.js';
import {
  createPrivateFile,
  changesOf,
  envFileText,
  identityPath,
  readIfExists,
  replacePrivateFile,
} from './env-file.js';
import { readFile } from 'node:fs/promises';
import { AppError } from '../errors.js';
import { assertCanPrompt, confirmTyped } from './prompt.js';

type KeyKind = 'age' | 'signing' | 'secrets';

interface KeygenOptions {
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

export interface RotateKeysOptions {
  readonly file: string;
  readonly signing?: boolean;
  readonly recipients?: boolean;
  readonly secrets?: boolean;
  readonly yes?: boolean;
}

/** The identity file, if the env file does not name one. */
const IDENTITY_FILE = 'age-identity.txt';

/** `rotate-keys`: replaces keys in the env file; existing snapshots stay trusted and restorable. */
export async function rotateKeys(context: Context, options: RotateKeysOptions): Promise<number> {
  const signing = options.signing === true;
  const recipients = options.recipients === true;
  const secrets = options.secrets === true;
  if (!signing && !recipients && !secrets) {
    throw new AppError('usage', 'No keys to rotate are given', {
      hint: 'Give --signing, --recipients, --secrets, or several of them.',
    });
  }
  context.nameInHints(options.file);
  const present = await readIfExists(options.file);
  if (present === null) {
    throw new AppError('usage', `There is no file ${JSON.stringify(options.file)}`, {
      hint: 'Name the env file with --file, or create one: npx soulcaster-backup init',
    });
  }
  const before = Object.fromEntries(Object.entries(parseEnvFile(present)).filter(([, value]) => value !== ''));
  if (recipients && 'BACKUP_AGE_IDENTITY' in before) {
    throw new AppError('usage', 'BACKUP_AGE_IDENTITY is set in the env file itself', {
      hint: 'Move its value to a separate file, set BACKUP_AGE_IDENTITY_FILE to that file, remove BACKUP_AGE_IDENTITY, and run the command again.',
    });
  }
  if (options.yes !== true) {
    assertCanPrompt('Give --yes.');
    const turnsOn = recipients && !signing && !secrets && !('BACKUP_AGE_RECIPIENTS' in before);
    await confirmTyped(
      context,
      `To change the keys in ${options.file}${turnsOn ? ' and turn encryption on' : ''}, type yes: `,
    );
  }
  const makers = { signingKey: generateSigningKey, publicKeyOf, publicKeysIn, ageIdentity: generateAgeIdentity };
  const name = before['BACKUP_AGE_IDENTITY_FILE'] ?? IDENTITY_FILE;
  const identities = recipients ? await readIfExists(identityPath(options.file, name)) : null;
  const ownRecipients = identities === null ? [] : await recipientsOf(identities.toString('utf8'));
  const fresh = await replaceKeys(before, { signing, recipients, secrets }, ownRecipients, makers);
  const values = fresh.identity === null ? fresh.values : { ...fresh.values, BACKUP_AGE_IDENTITY_FILE: name };
  const changes = changesOf(before, values);
  if (fresh.identity !== null) await addIdentity(identityPath(options.file, name), fresh.identity);
  await replacePrivateFile(options.file, envFileText(present.toString('utf8'), values, changes, []), present);
  context.print([...fresh.messages, `Written: ${options.file}.`].join('\n'));
  context.document({ file: options.file, changes, identityFile: fresh.identity === null ? null : name });
  const hints = [
    ...(fresh.identity === null
      ? []
      : identities === null
        ? [identityAdvice(identityPath(options.file, name))]
        : [
            `Copy ${identityPath(options.file, name)} again to two places away from this machine: it has a new identity.`,
          ]),
    ...(isFirstSigningKey(before, values) ? [`Next: ${ADOPT_COMMAND}`] : []),
    `Then run \`npx soulcaster-backup deploy --env-file .env\`, then backup and verify.`,
  ];
  for (const hint of hints) context.note(hint);
  return 0;
}

/** Puts the new identity before the old ones: all are tried when a snapshot is opened. */
async function addIdentity(
  path: string,
  { recipient, secret }: { readonly recipient: string; readonly secret: string },
): Promise<void> {
  const there = await readFile(path).catch(() => null);
  const text = identityFileText(secret, recipient, new Date()) + (there?.toString('utf8') ?? '');
  await replacePrivateFile(path, text, there);
}
