import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, open, readFile, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError } from '../errors.js';

const MODE = 0o600;

/** Makes a file that its owner alone may read. Throws `usage` where there is one, which stays as it is. */
export async function createPrivateFile(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', MODE).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') throw exists(path);
    throw notWritten(path, cause);
  });
  try {
    await file.writeFile(text);
    await file.sync();
  } catch (cause) {
    await rm(path, { force: true });
    throw notWritten(path, cause);
  } finally {
    await file.close();
  }
}

/**
 * Writes a file that its owner alone may read, all of it or nothing: into a file beside it, which then takes its place.
 * `before` is what was there, null for nothing: throws `locked` when somebody changed it meanwhile.
 */
export async function replacePrivateFile(path: string, text: string, before: Uint8Array | null): Promise<void> {
  // A link stays one: what it names is replaced.
  const target = await realpath(path).catch(() => path);
  const fresh = join(dirname(target), `.${randomBytes(6).toString('hex')}.tmp`);
  await createPrivateFile(fresh, text);
  try {
    const now = await readIfThere(target);
    const isSame = before === null ? now === null : now?.equals(before) === true;
    if (!isSame) throw changed(path);
    await rename(fresh, target);
  } finally {
    await rm(fresh, { force: true });
  }
}

/** The bytes of a file; null where there is none. Throws `config` for one that cannot be read. */
export async function readIfThere(path: string): Promise<Buffer | null> {
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

/** Throws `config` before anything is asked when the folder of a file takes no files. */
export async function demandWritable(path: string): Promise<void> {
  await access(dirname(path), constants.W_OK | constants.X_OK).catch((cause: unknown) => {
    throw notWritten(path, cause);
  });
}

export function exists(path: string): AppError {
  return new AppError('usage', `The file ${JSON.stringify(path)} exists, and nothing is written over it`, {
    hint: 'Give another name, or move that file away.',
  });
}

function changed(path: string): AppError {
  return new AppError('locked', `The file ${JSON.stringify(path)} was changed meanwhile, and is left as it is`, {
    hint: 'Start the command again: it reads the file as it is now.',
  });
}

function notWritten(path: string, cause: unknown): AppError {
  return new AppError('config', `The file ${JSON.stringify(path)} cannot be written`, {
    hint: 'Give a path in a folder that exists and that you may write to.',
    cause,
  });
}
