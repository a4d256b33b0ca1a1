import { statSync } from 'node:fs';
import { AppError, type ErrorCode } from '../../errors.js';

interface FileFailure {
  readonly code: ErrorCode;
  readonly what: string;
  readonly hint: string;
  readonly transient?: boolean;
}

const FULL: FileFailure = {
  code: 'store-full',
  what: 'has no space left',
  hint: 'Free space or raise the quota of the disk that holds the backup folder; no object was partly written.',
};
const DENIED: FileFailure = {
  code: 'store-denied',
  what: 'cannot be read or written by this user',
  hint: 'Give the user that runs this program read and write access to the backup folder, on a file system that is mounted writable.',
};
const NAME_CLASH: FileFailure = {
  code: 'usage',
  what: 'has a folder where an object is expected, or an object where a folder is expected',
  hint: "In a folder store no object can have the name of another object's folder; choose another name.",
};
const UNSAFE: FileFailure = {
  code: 'store-unsafe',
  what: 'cannot write an object exactly once',
  hint: 'The backup folder has to lie on a single file system with hard links, such as ext4, xfs, btrfs, zfs or NFS.',
};
const NO_FOLDER: FileFailure = {
  code: 'store-unavailable',
  what: 'is not a folder',
  hint: 'Set BACKUP_STORE to a folder, or mount the folder again, then check: `npx soulcaster-backup doctor --env-file .env`.',
};
const IO_ERROR: FileFailure = {
  code: 'store-unavailable',
  what: 'did not answer as a file system should',
  hint: 'Check the disk or network mount that holds the backup folder (dmesg, df), then try again.',
  transient: true,
};

const BY_ERRNO: Readonly<Record<string, FileFailure>> = {
  ENOSPC: FULL,
  EDQUOT: FULL,
  EFBIG: FULL,
  EACCES: DENIED,
  EPERM: DENIED,
  EROFS: DENIED,
  EISDIR: NAME_CLASH,
  ENOTDIR: NAME_CLASH,
  EXDEV: UNSAFE,
  ENOSYS: UNSAFE,
  ENOTSUP: UNSAFE,
  EOPNOTSUPP: UNSAFE,
};

/** The errno name of a failed system call (`ENOENT`), or an empty text for any other error. */
export function errnoOf(error: unknown): string {
  const known = typeof error === 'object' && error !== null && 'code' in error;
  return known && typeof error.code === 'string' ? error.code : '';
}

/** Whether the path of the backup folder leads to a file, or below one. A folder that is missing will be created. */
export function isNoFolder(folder: string): boolean {
  try {
    return !statSync(folder).isDirectory();
  } catch (error) {
    return errnoOf(error) === 'ENOTDIR';
  }
}

/** Runs one operation of the folder store; failed system calls leave as AppErrors of the ObjectStore contract. */
export async function withFileErrors<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fileError(folder, error);
  }
}

/** A failed system call as an AppError with a hint; any other error is returned unchanged. */
export function fileError(folder: string, error: unknown): unknown {
  const errno = errnoOf(error);
  if (error instanceof AppError || !/^E[A-Z0-9]+$/.test(errno)) return error;
  const { code, what, hint, transient = false } = isNoFolder(folder) ? NO_FOLDER : (BY_ERRNO[errno] ?? IO_ERROR);
  return new AppError(code, `The backup folder ${folder} ${what} (${errno})`, { hint, transient, cause: error });
}
