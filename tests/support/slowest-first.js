import Sequencer from '@jest/test-sequencer';

/** What takes longest, in this order; a long one that begins last leaves the other cores idle. */
const SLOWEST = [
  'e2e/nightly-faults',
  'cli/dev-demo',
  'guard/days',
  'e2e/restore-faults',
  'snapshot/whole',
  'page/operations',
  'page/accessibility',
  'page/looks',
  'cli/doctor',
  'restore/round-trip',
  'cli/restore',
  'cli/upstash',
  'e2e/old-snapshots',
  'reindex/queue',
];

/** Jest's own order on a machine that has no record of earlier runs is by the length of the files. */
export default class SlowestFirst extends Sequencer {
  /** @param {readonly import('@jest/test-result').Test[]} tests */
  sort(tests) {
    const rank = (/** @type {{ readonly path: string }} */ { path }) => {
      const at = SLOWEST.findIndex((name) => path.endsWith(`/tests/${name}.test.ts`));
      return at === -1 ? SLOWEST.length : at;
    };
    return [...super.sort(tests)].sort((a, b) => rank(a) - rank(b));
  }
}
