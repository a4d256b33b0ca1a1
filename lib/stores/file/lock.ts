import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { lockSync } from 'proper-lockfile';
import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import { makeFolder, ignoreErrors } from './disk.js';
import { errnoOf } from './errors.js';

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
