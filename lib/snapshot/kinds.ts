import { counted } from '../formats.js';
import { fieldsOf, figure, type Figure, type RunTraits } from '../runs/traits.js';
import { costOfCommands } from './price.js';

export const SNAPSHOT: RunTraits = {
  kind: 'snapshot',
  title: 'backup',
  plural: 'Backups',
  words: {
    scan: 'reading the database',
    recheck: 'checking that no key was missed',
    check: 'reading the parts back',
    seal: 'writing the manifest',
  },
  evaluated: true,
  countsBytes: true,
  alert: { code: 'backup-failed', states: ['failed', 'incomplete'] },
  figures: ({ failed, keys, parts, snapshot, storedBytes }) => [
    ...figure.text('Snapshot', snapshot),
    ...figure.count('Keys', keys),
    ...figure.count('Parts', parts),
    ...figure.some('Keys that could not be saved', failed),
    ...figure.bytes('Stored', storedBytes),
  ],
  done: ({ keys }) => (typeof keys === 'number' ? `Done: ${counted(keys, 'key')} saved and read back` : null),
  cost: ({ commands }) => costOfCommands(commands),
};

export const VERIFY: RunTraits = {
  kind: 'verify',
  title: 'verification',
  plural: 'Verifications',
  words: { open: 'checking the chain', check: 'checking every part', report: 'finishing' },
  countsBytes: true,
  figures: ({ findings, keys, snapshot }) => [
    ...figure.text('Snapshot', snapshot),
    ...figure.count('Keys', keys),
    ...(Array.isArray(findings) ? findings.slice(0, MOST_FINDINGS).map(findingOf) : []),
  ],
  done: ({ keys }) => (typeof keys === 'number' ? `Done: all ${counted(keys, 'key')} are as they were saved` : null),
  // It reads only the store.
  cost: () => ({ commands: 0, tokens: null, estimatedUsd: 0 }),
};

const MOST_FINDINGS = 10;

function findingOf(finding: unknown): Figure {
  const { code, subject } = fieldsOf(finding);
  return [String(code), String(subject)];
}
