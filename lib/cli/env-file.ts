import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, open, readFile, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { AppError } from '../errors.js';
import { updateEnvFile, formatEnvLine } from '../app/config/env-file.js';
import type { Service, Values } from '../setup/model.js';
import { SERVICES, variablesOf } from '../setup/services.js';
import { isSecretName } from './output/text.js';

const MODE = 0o600;

/** Creates a file that only its owner may read. Throws `usage` if it exists, and leaves it unchanged. */
export async function createPrivateFile(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', MODE).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST')
      throw new AppError('usage', `The file ${JSON.stringify(path)} exists, and is not overwritten`, {
        hint: 'Give another name, or move that file away.',
      });
    throw fileNotWritableError(path, cause);
  });
  try {
    await file.writeFile(text);
    await file.sync();
  } catch (cause) {
    await rm(path, { force: true });
    throw fileNotWritableError(path, cause);
  } finally {
    await file.close();
  }
}

/**
 * Replaces a file atomically, through a temporary file beside it, with one that only its owner may read. `before`: the expected
 * content, null for no file. Throws `locked` if the file has changed since.
 */
export async function replacePrivateFile(path: string, text: string, before: Uint8Array | null): Promise<void> {
  // A symbolic link is kept: its target is replaced.
  const target = await realpath(path).catch(() => path);
  const temporary = join(dirname(target), `.${randomBytes(6).toString('hex')}.tmp`);
  await createPrivateFile(temporary, text);
  try {
    const now = await readIfExists(target);
    const isSame = before === null ? now === null : now?.equals(before) === true;
    if (!isSame)
      throw new AppError(
        'locked',
        `The file ${JSON.stringify(path)} was changed by another program in the meantime, and is left unchanged`,
        {
          hint: 'Run the command again: it reads the file again.',
        },
      );
    await rename(temporary, target);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** The bytes of a file; null if it does not exist. Throws `config` if it cannot be read. */
export async function readIfExists(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new AppError('config', `The file ${JSON.stringify(path)} cannot be read`, {
      hint: 'Give the path of a text file that you may read.',
      cause,
    });
  }
}

/** Throws `config` if no file can be created in the folder of this path. */
export async function assertFolderWritable(path: string): Promise<void> {
  await access(dirname(path), constants.W_OK | constants.X_OK).catch((cause: unknown) => {
    throw fileNotWritableError(path, cause);
  });
}

function fileNotWritableError(path: string, cause: unknown): AppError {
  return new AppError('config', `The file ${JSON.stringify(path)} cannot be written`, {
    hint: 'Give a path in an existing folder that you may write to.',
    cause,
  });
}

export interface Change {
  readonly name: string;
  readonly change: 'added' | 'changed' | 'removed';
  /** Null for secrets and for removed variables. */
  readonly value: string | null;
}

/** The changes between two sets of variables, in the order of the services; empty variables count as missing. */
export function changesOf(before: Values, after: Values): Change[] {
  const order = SERVICES.flatMap(variablesOf);
  const names = [...new Set([...order, ...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((name): Change[] => {
    const [had, has] = [before[name] ?? '', after[name] ?? ''];
    if (had === has) return [];
    const value = has === '' || isSecretName(name) ? null : has;
    return [{ name, change: had === '' ? 'added' : has === '' ? 'removed' : 'changed', value }];
  });
}

/** The text of the env file: a new file with a heading for each service, or the existing text with changed values. */
export function envFileText(
  present: string | null,
  values: Values,
  changes: readonly Change[],
  leftOut: readonly { readonly service: Service; readonly cost: string | null }[],
): string {
  if (present !== null) {
    return updateEnvFile(
      present,
      new Map(changes.map(({ name, change }) => [name, change === 'removed' ? null : (values[name] ?? '')])),
    );
  }
  const left = new Map(Object.entries(values));
  const blocks = SERVICES.flatMap((service) => {
    const lines = variablesOf(service).flatMap((name) => {
      const value = left.get(name);
      if (value === undefined || !left.delete(name)) return [];
      return [formatEnvLine(name, value)];
    });
    return lines.length === 0 ? [] : [[`# --- ${service.title}`, ...lines].join('\n')];
  });
  const rest = [...left].map(([name, value]) => formatEnvLine(name, value));
  return `${[
    '# Written by `npx soulcaster-backup init`, which also changes it. .env.example explains every variable.',
    ...blocks,
    ...(rest.length === 0 ? [] : [['# --- Other', ...rest].join('\n')]),
    ...(leftOut.length === 0 ? [] : [leftOut.map(leftOutLine).join('\n')]),
  ].join('\n\n')}\n`;
}

function leftOutLine({ cost, service }: { readonly service: Service; readonly cost: string | null }): string {
  return `# Left out: ${service.title}${cost === null ? '' : ` - ${cost}`}`;
}

/** Resolves the identity file relative to the folder of the env file. */
export function identityPath(envFile: string, identityFile: string): string {
  return resolve(dirname(envFile), identityFile);
}
