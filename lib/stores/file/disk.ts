import { randomUUID, createHash } from 'node:crypto';
import {
  closeSync,
  fsync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  unlinkSync,
  utimesSync,
  writeFile,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { lockSync } from 'proper-lockfile';
import type { Clock } from '../../ports/clock.js';
import { errnoOf } from './errors.js';
import { AppError } from '../../errors.js';

const SWEEP_MS = 60 * 60 * 1000;
/** Another process may remove a folder right after we make it, but hardly this many times in a row. */
const LINK_TRIES = 20;

/** Contents of up to this many bytes are read and written synchronously as well: see Disk. */
export const SMALL_BYTES = 64 * 1024;

const fsyncAsync = promisify(fsync);
const writeFileAsync: (file: number, body: Uint8Array) => Promise<void> = promisify(writeFile);

/**
 * Writes files that survive a power cut, or leaves nothing: temporary file, fsync, then one atomic step into place.
 *
 * Calls that only change folders are synchronous: each takes 5 to 20 microseconds of processor time, on node's threads 50
 * to 130, and an object takes a dozen calls. Large contents and fsync wait for the disk, and run on the threads.
 */
interface Disk {
  /** Writes and syncs a temporary file with these bytes, calls `use` with its path, and removes the file afterwards. */
  withTemporary<T>(body: Uint8Array, use: (path: string) => Promise<T>): Promise<T>;
  /** Gives the file a second name and makes missing folders; false if that name is taken. */
  linkNew(from: string, to: string): Promise<boolean>;
  /** Makes the entries of a path durable, from its folder up to the root of the store. */
  sync(path: string): Promise<void>;
  /** Removes a file, if it exists, and the folders it leaves empty. */
  removeFile(path: string): Promise<void>;
}

/** `temporary` lies under `root`, on the same file system. `useClockTimes`: files get their time from `clock`. */
export function openDisk(root: string, temporary: string, clock: Clock, useClockTimes: boolean): Disk {
  let sweptAt = -Infinity;
  /** Computes ages from file times alone (`fresh` was just written): a clock that is ahead must not remove live files. */
  function sweep(fresh: string): void {
    const now = clock.now();
    if (Math.abs(now - sweptAt) < SWEEP_MS) return;
    sweptAt = now;
    const written = lstatSync(fresh, { throwIfNoEntry: false });
    if (written === undefined) return;
    const { mtimeMs: freshMs } = written;
    for (const entry of readdirSync(temporary)) {
      const path = join(temporary, entry);
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (stats !== undefined && freshMs - stats.mtimeMs > SWEEP_MS) ignoreErrors(() => unlinkSync(path));
    }
  }
  return {
    async withTemporary(body, use) {
      await makeFolder(temporary);
      const path = join(temporary, randomUUID());
      try {
        try {
          await writeSynced(path, body);
        } finally {
          // Also after a failure: on a full disk no write would succeed before. Times set from a clock say nothing about age.
          if (!useClockTimes) ignoreErrors(() => sweep(path));
        }
        // Half a millisecond more, so that rounding down on the way does not change the millisecond.
        if (useClockTimes) utimesSync(path, (clock.now() + 0.5) / 1000, (clock.now() + 0.5) / 1000);
        return await use(path);
      } finally {
        // A file that stays is swept later.
        ignoreErrors(() => unlinkSync(path));
      }
    },
    linkNew,
    async sync(path) {
      for (let at = dirname(path); at.length >= root.length; at = dirname(at)) {
        await syncFolder(at);
        if (at === root) return;
      }
    },
    async removeFile(path) {
      const removed = tryCall(() => unlinkSync(path), ['ENOENT', 'ENOTDIR', 'EISDIR']);
      if (!removed) return;
      let at = dirname(path);
      const isGone = (): boolean => tryCall(() => rmdirSync(at), ['ENOTEMPTY', 'EEXIST', 'ENOENT']);
      while (at !== root && isGone()) at = dirname(at);
      await syncFolder(at);
    },
  };
}

async function linkNew(from: string, to: string): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    await makeFolder(dirname(to));
    try {
      return tryCall(() => linkSync(from, to), ['EEXIST']);
    } catch (error) {
      // Another process removed the folder's last object, and the folder with it, right after we made it.
      if (errnoOf(error) !== 'ENOENT' || attempt >= LINK_TRIES) throw error;
    }
  }
}

async function writeSynced(path: string, body: Uint8Array): Promise<void> {
  // Backups hold the whole database: only their owner may read them.
  const file = openSync(path, 'wx', 0o600);
  try {
    if (body.length <= SMALL_BYTES) writeFileSync(file, body);
    else await writeFileAsync(file, body);
    await fsyncAsync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Makes a folder and its parents, durably. Not `mkdir` with `recursive`: on a read-only file system it reports a missing
 * folder.
 */
async function makeFolder(folder: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      mkdirSync(folder, 0o700);
      await syncFolder(dirname(folder));
      return;
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return;
      // Some file systems (/proc) say ENOENT for a folder that can never be made.
      if (errnoOf(error) !== 'ENOENT' || attempt >= LINK_TRIES) throw error;
      await makeFolder(dirname(folder));
    }
  }
}

async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = openSync(folder, 'r');
    try {
      await fsyncAsync(handle);
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    // A folder that another process removed need not be durable, and some network mounts do not sync folders (EINVAL).
    if (!['ENOENT', 'EINVAL'].includes(errnoOf(error))) throw error;
  }
}

/** For calls that may fail without harm: another process did the same, or a later call repeats it. */
function ignoreErrors(act: () => void): void {
  try {
    act();
  } catch {
    // See above.
  }
}

function tryCall(call: () => void, expected: readonly string[]): boolean {
  try {
    call();
    return true;
  } catch (error) {
    if (expected.includes(errnoOf(error))) return false;
    throw error;
  }
}

/** A lock that was not renewed for this many milliseconds belongs to a dead process. */
const STALE_MS = 4_000;
/** How long a holder may rely on its lock without a check: half of STALE_MS, a safe margin. */
const MAX_HOLD_MS = STALE_MS / 2;
/** Attempts of 5 to 45 ms each: about 25 seconds in all, long enough for the locks of several dead processes to expire. */
const MAX_ATTEMPTS = 1000;

/**
 * Runs `work` while no other process changes the object `name`. `work` calls `assertHeld` right before its one
 * irrevocable step; that throws `store-unavailable` (transient) when another process may hold the lock.
 */
export async function withNameLock<T>(
  folder: string,
  name: string,
  clock: Clock,
  work: (assertHeld: () => void) => Promise<T>,
): Promise<T> {
  const path = join(folder, createHash('sha256').update(name).digest('hex').slice(0, 32));
  await makeFolder(folder);
  let isLost = false;
  const release = await acquire(path, clock, () => (isLost = true));
  const since = performance.now();
  try {
    return await work(() => {
      if (isLost || performance.now() - since > MAX_HOLD_MS) throw lockError(name, 'was held for too long');
    });
  } finally {
    // A lock that is already gone needs no release.
    ignoreErrors(release);
  }
}

async function acquire(path: string, clock: Clock, onCompromised: () => void): Promise<() => void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return lockSync(path, { lockfilePath: path, realpath: false, stale: STALE_MS, onCompromised });
    } catch (error) {
      if (errnoOf(error) !== 'ELOCKED') throw error;
      if (attempt >= MAX_ATTEMPTS) throw lockError(path, 'is held by another process');
      await clock.sleep(5 + Math.random() * 40);
    }
  }
}

function lockError(name: string, what: string): AppError {
  return new AppError('store-unavailable', `The lock of ${name} ${what}`, {
    hint: 'Another process is writing to the same backup folder, or the disk is very slow; try again.',
    transient: true,
  });
}
