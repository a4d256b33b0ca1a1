import { counted } from '../formats.js';
import { fieldsOf, figure, type Figure, type RunTraits, type RunCost } from '../runs/traits.js';

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

/** Upstash Redis, pay as you go, November 2026: 0.20 US dollars per 100,000 commands. */
const USD_PER_COMMAND = 0.2 / 100_000;

/** The most that the commands of a snapshot cost; the first 500,000 a month may be free. */
export function estimatedUsd(commands: number): number {
  return Number((commands * USD_PER_COMMAND).toFixed(6));
}

/** The cost of the command count in a run's result; null where there is none. */
export function costOfCommands(commands: unknown): RunCost | null {
  return typeof commands === 'number' ? { commands, tokens: null, estimatedUsd: estimatedUsd(commands) } : null;
}
