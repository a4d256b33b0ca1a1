import type { RunState, Snapshot } from '../api/types.js';
import type { Tone } from './tone.js';

/** What a snapshot is good for, in one word: the worst that is known of it. */
export type Standing =
  | 'verified'
  | 'not checked'
  | 'doubtful'
  | 'future'
  | 'foreign'
  | 'incomplete'
  | 'unreadable'
  | 'untrusted'
  | 'damaged';

type Lacking = Pick<Snapshot, 'failed' | 'unexplained' | 'unsupported'>;
type Judged = Pick<Snapshot, 'state' | 'trust' | 'verification'>;

export function standingOf({ state, trust, verification }: Judged): Standing {
  if (trust === 'doubtful' || trust === 'future' || trust === 'foreign' || trust === 'untrusted') return trust;
  if (verification?.state === 'damaged') return 'damaged';
  if (state !== 'complete') return state;
  return verification === null ? 'not checked' : 'verified';
}

export const STANDING_TONES: Readonly<Record<Standing, Tone>> = {
  verified: 'good',
  'not checked': 'plain',
  doubtful: 'warn',
  future: 'warn',
  foreign: 'plain',
  incomplete: 'warn',
  unreadable: 'bad',
  untrusted: 'bad',
  damaged: 'bad',
};

export const RUN_TONES: Readonly<Record<RunState, Tone>> = {
  running: 'busy',
  waiting: 'busy',
  succeeded: 'good',
  incomplete: 'warn',
  failed: 'bad',
};

const RESTORABLE: ReadonlySet<Standing> = new Set(['verified', 'not checked', 'doubtful', 'future', 'foreign']);

/** Whether a restore may begin with it; incomplete, it may when it lacks only keys that no snapshot can hold. */
export function isRestorable(snapshot: Judged & Lacking): boolean {
  const standing = standingOf(snapshot);
  const { failed, unexplained = 0, unsupported = 0 } = snapshot;
  if (standing === 'incomplete') return failed === 0 && unexplained === 0 && (unsupported ?? 0) > 0;
  return RESTORABLE.has(standing);
}
