import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, open, readFile, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError } from '../errors.js';

const MODE = 0o600;

/** Creates a file that only its owner may read. Throws `usage` if it exists, and leaves it unchanged. */
export async function createPrivateFile(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', MODE).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') throw fileExistsError(path);
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
    if (!isSame) throw fileChangedError(path);
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

function fileExistsError(path: string): AppError {
  return new AppError('usage', `The file ${JSON.stringify(path)} exists, and is not overwritten`, {
    hint: 'Give another name, or move that file away.',
  });
}

function fileChangedError(path: string): AppError {
  return new AppError(
    'locked',
    `The file ${JSON.stringify(path)} was changed by another program in the meantime, and is left unchanged`,
    {
      hint: 'Run the command again: it reads the file again.',
    },
  );
}

function fileNotWritableError(path: string, cause: unknown): AppError {
  return new AppError('config', `The file ${JSON.stringify(path)} cannot be written`, {
    hint: 'Give a path in an existing folder that you may write to.',
    cause,
  });
}
