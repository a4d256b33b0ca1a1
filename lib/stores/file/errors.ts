import { AppError, type ErrorCode } from '../../errors.js';

interface Meaning {
  readonly code: ErrorCode;
  readonly what: string;
  readonly hint: string;
  readonly transient?: boolean;
}

const FULL: Meaning = {
  code: 'store-full',
  what: 'has no space left',
  hint: 'Free space or raise the quota of the disk that holds the backup folder; nothing was half-written.',
};
const DENIED: Meaning = {
  code: 'store-denied',
  what: 'may not be read or written',
  hint: 'Give the user that runs this program read and write access to the backup folder, on a file system that is mounted writable.',
};
const CLASH: Meaning = {
  code: 'usage',
  what: 'holds a folder where an object is asked for, or the other way round',
  hint: 'In a folder store no object can be named like the folder of another; choose another name.',
};
const UNSAFE: Meaning = {
  code: 'store-unsafe',
  what: 'cannot write an object exactly once',
  hint: 'The backup folder has to lie on a single file system with hard links, such as ext4, xfs, btrfs, zfs or NFS.',
};
const TROUBLE: Meaning = {
  code: 'store-unavailable',
  what: 'did not answer as a file system should',
  hint: 'Look at the disk or network mount that holds the backup folder (dmesg, df), then try again.',
  transient: true,
};

const MEANINGS: Readonly<Record<string, Meaning>> = {
  ENOSPC: FULL,
  EDQUOT: FULL,
  EFBIG: FULL,
  EACCES: DENIED,
  EPERM: DENIED,
  EROFS: DENIED,
  EISDIR: CLASH,
  ENOTDIR: CLASH,
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

/** Runs one operation of the folder store; failed system calls leave as AppErrors of the ObjectStore contract. */
export async function withFileErrors<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fileError(folder, error);
  }
}

/** What a failed system call means to the operator; anything else is returned as it is. */
export function fileError(folder: string, error: unknown): unknown {
  const errno = errnoOf(error);
  if (error instanceof AppError || !/^E[A-Z0-9]+$/.test(errno)) return error;
  const { code, what, hint, transient = false } = MEANINGS[errno] ?? TROUBLE;
  return new AppError(code, `The backup folder ${folder} ${what} (${errno})`, { hint, transient, cause: error });
}
