import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { lockSync } from 'proper-lockfile';
import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import { makeFolder, quietly } from './disk.js';
import { errnoOf } from './errors.js';

/** A lock whose holder has not renewed it for so long, in milliseconds, belongs to a process that died. */
const STALE_MS = 4_000;
/** How long a holder may rely on its lock without looking again: half of the above, a safe margin. */
const TRUST_MS = STALE_MS / 2;
/** Tries of 5 to 45 ms each: about 25 seconds in all, so that more than one dead process's lock is outwaited. */
const TRIES = 1000;

/**
 * Runs `work` while no other process changes the object `name`. `work` calls `confirm` right before its one
 * irrevocable step; it throws `store-unavailable` (transient) when the lock may have passed to someone else.
 */
export async function withNameLock<T>(
  folder: string,
  name: string,
  clock: Clock,
  work: (confirm: () => void) => Promise<T>,
): Promise<T> {
  const path = join(folder, createHash('sha256').update(name).digest('hex').slice(0, 32));
  await makeFolder(folder);
  let lost = false;
  const release = await acquire(path, clock, () => (lost = true));
  const since = performance.now();
  try {
    return await work(() => {
      if (lost || performance.now() - since > TRUST_MS) throw lockTrouble(name, 'was held for too long');
    });
  } finally {
    // A lock that is gone already is what releasing is after.
    quietly(release);
  }
}

async function acquire(path: string, clock: Clock, onCompromised: () => void): Promise<() => void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return lockSync(path, { lockfilePath: path, realpath: false, stale: STALE_MS, onCompromised });
    } catch (error) {
      if (errnoOf(error) !== 'ELOCKED') throw error;
      if (attempt >= TRIES) throw lockTrouble(path, 'is held by another process');
      await clock.sleep(5 + Math.random() * 40);
    }
  }
}

function lockTrouble(name: string, what: string): AppError {
  return new AppError('store-unavailable', `The lock of ${name} ${what}`, {
    hint: 'Another process is writing to the same backup folder, or the disk is very slow; try again.',
    transient: true,
  });
}
