import { readFile } from 'node:fs/promises';
import { parseEnvFile } from '../app/config/env-file.js';
import {
  generateAgeIdentity,
  generateSigningKey,
  publicKeyOf,
  publicKeysIn,
  recipientsOf,
} from '../app/connect/keys.js';
import { AppError } from '../errors.js';
import { adoptCommand, identityFileText, isFirstSigningKey, replaceKeys } from '../setup/secrets.js';
import type { Context } from './context.js';
import { changesOf, envFileText } from './init/file-text.js';
import { identityPath } from './init/sources.js';
import { readIfExists, replacePrivateFile } from './private-file.js';
import { prompt, canPrompt } from './prompt.js';

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
  await confirmChange(context, options);
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
      : [
          `Copy ${identityPath(options.file, name)} again to two places away from this machine: it has a new identity.`,
        ]),
    ...(isFirstSigningKey(before, values) ? [`Next: ${adoptCommand(options.file)}`] : []),
    `Then run \`npx soulcaster-backup deploy --env-file ${options.file}\`, then backup and verify.`,
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

async function confirmChange(context: Context, { file, yes }: RotateKeysOptions): Promise<void> {
  if (yes === true) return;
  if (!canPrompt()) {
    throw new AppError('usage', 'The change cannot be confirmed: this is not a terminal', { hint: 'Give --yes.' });
  }
  if ((await prompt(`To change the keys in ${file}, type yes: `, context.interrupt)) === 'yes') return;
  throw new AppError('not-confirmed', 'Nothing was changed: the answer was not yes', {
    hint: 'Run the command again when you are sure.',
  });
}
