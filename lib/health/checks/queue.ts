import type { Queue } from '../../ports/queue.js';
import { fail, ok, warn, type CheckGroup, type Observation } from '../doctor.js';

const SET_KEYS =
  'Copy QSTASH_CURRENT_SIGNING_KEY and QSTASH_NEXT_SIGNING_KEY from the QStash console, of the region of QSTASH_TOKEN.';

/** Whether the queue's service accepts the token and signs what it delivers with the keys that we check by. */
export function queueChecks(open: () => Queue): CheckGroup {
  return [{ name: 'queue', run: async () => evaluate((await open().health()).signingKeys) }];
}

function evaluate(signingKeys: 'same' | 'stale' | 'different' | 'none'): Observation {
  switch (signingKeys) {
    case 'same':
      return ok('the token is accepted, and the signing keys are those that the service has');
    case 'stale':
      return warn(
        'the signing keys have been rotated; deliveries are still accepted, until the next rotation',
        SET_KEYS,
      );
    case 'different':
      return fail('the signing keys are not those of the service, so that every delivery would be refused', SET_KEYS);
    case 'none':
      return warn('the queue works within this process alone', 'Set QSTASH_TOKEN for runs that outlive a function.');
  }
}
