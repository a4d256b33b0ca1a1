import { REASONS, type Plan } from '../../restore/plan-counts.js';
import { lackWords } from '../../restore/lacks.js';
import { count, keyName } from '../output/format.js';

/** What work in flight of a family is called, for one and for several. */
const WORK: Readonly<Record<string, readonly [one: string, several: string]>> = {
  job: ['job that was running becomes', 'jobs that were running become'],
  'cluster-job': ['clustering job that was running becomes', 'clustering jobs that were running become'],
  cluster: ['cluster that was being fixed becomes', 'clusters that were being fixed become'],
  'legacy-cluster': ['old cluster that was being fixed becomes', 'old clusters that were being fixed become'],
};

/** What becomes of work that was in flight: `7 jobs that were running become failed`. Null when there was none. */
export function workWords({ failsWork }: Plan): string | null {
  const families = Object.entries(failsWork).sort(([a], [b]) => (a < b ? -1 : 1));
  if (families.length === 0) return null;
  const each = families.map(([family, failed]) => {
    const [one, several] = WORK[family] ?? ['record in flight becomes', 'records in flight become'];
    return `${count(failed)} ${failed === 1 ? one : several} failed`;
  });
  return `${each.join(', ')}: nothing works on them any more (--no-settle leaves them as they were).`;
}

const REASON_WORDS = {
  type: 'of another type',
  expiry: 'another expiry',
  'field-expiry': 'another expiry of fields',
  value: 'another value',
} as const;

/** Why keys are overwritten, by family; null when none is. */
export function reasonWords({ reasons }: Plan): string | null {
  const families = Object.entries(reasons).sort(([a], [b]) => (a < b ? -1 : 1));
  if (families.length === 0) return null;
  const lines = families.map(([family, counts]) => {
    const each = REASONS.filter((reason) => counts[reason] > 0).map(
      (reason) => `${count(counts[reason])} ${REASON_WORDS[reason]}`,
    );
    return `  ${family}: ${each.join(', ')}`;
  });
  return ['Why keys are overwritten:', ...lines].join('\n');
}

/** What the target lacks; null when it lacks nothing. */
export function lacksWords({ lacks }: Plan): string | null {
  if (lacks.length === 0) return null;
  return ['The target lacks:', ...lacks.map((lack) => `  ${lackWords(lack, keyName)}`)].join('\n');
}
