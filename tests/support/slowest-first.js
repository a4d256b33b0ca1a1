import Sequencer from '@jest/test-sequencer';

/** What takes longest, in this order; a long one that begins last leaves the other cores idle. */
const SLOWEST = [
  'e2e/nightly-faults',
  'vercel/build',
  'page/looks',
  'cli/dev-demo',
  'monitoring/days',
  'snapshot/restarts',
  'e2e/restore-faults',
  'page/operations',
  'page/behaviour',
  'http/outages',
  'stores/s3-store-contract',
  'e2e/restore-s3',
  'restore/long-names',
  'restore/round-trip',
  'reindex/queue',
  'restore/write/round-trip',
  'restore/compare/database',
  'restore/compare/big',
  'retention/prune/full',
  'reindex/change-of-model',
  'reindex/http',
  'e2e/old-snapshots',
  'snapshot/changes-paged',
  'dev/data-mixed',
  'restore/item',
  'restore/inspect',
  'restore/project',
  'cli/restore',
  'restore/modes',
  'transfer/export',
  'e2e/restore',
  'restore/safety',
  'reindex/retry',
  'cli/guard',
  'restore/drill',
  'restore/dry-run',
  'cli/deploy',
  'snapshot/whole',
  'reindex/beside',
  'e2e/nightly',
  'e2e/project-view',
  'control/hidden-ids',
  'cli/upstash',
  'reindex/modes',
  'cli/doctor',
  'cli/files',
  'restore/selection',
  'restore/expiry',
  'e2e/operator-restore',
  'restore/proof',
];

/** Jest's own order on a machine that has no record of earlier runs is by the length of the files. */
export default class SlowestFirst extends Sequencer {
  /** @param {readonly import('@jest/test-result').Test[]} tests */
  sort(tests) {
    const rank = (/** @type {{ readonly path: string }} */ { path }) => {
      const at = SLOWEST.findIndex((name) => path.includes(`/tests/${name}.`));
      return at === -1 ? SLOWEST.length : at;
    };
    return [...super.sort(tests)].sort((a, b) => rank(a) - rank(b));
  }
}
