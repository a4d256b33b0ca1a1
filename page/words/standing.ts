import type { RunState, Snapshot } from '../api/types.js';
import type { Tone } from './tone.js';

/** What a snapshot is good for, in one word: the worst that is known of it. */
export type Standing = 'verified' | 'not checked' | 'incomplete' | 'unreadable' | 'damaged';

export function standingOf({ state, verification }: Pick<Snapshot, 'state' | 'verification'>): Standing {
  if (verification?.state === 'damaged') return 'damaged';
  if (state !== 'complete') return state;
  return verification === null ? 'not checked' : 'verified';
}

export const STANDING_TONES: Readonly<Record<Standing, Tone>> = {
  verified: 'good',
  'not checked': 'plain',
  incomplete: 'warn',
  unreadable: 'bad',
  damaged: 'bad',
};

export const RUN_TONES: Readonly<Record<RunState, Tone>> = {
  running: 'busy',
  waiting: 'busy',
  succeeded: 'good',
  incomplete: 'warn',
  failed: 'bad',
};

/** Whether a restore may begin with it. */
export function isRestorable(snapshot: Pick<Snapshot, 'state' | 'verification'>): boolean {
  const standing = standingOf(snapshot);
  return standing === 'verified' || standing === 'not checked';
}
