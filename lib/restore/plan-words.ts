import { count, counted } from '../formats.js';
import { keyName, printable } from '../snapshot/ledger.js';
import { lackWords } from './abilities.js';
import { REASONS, type Plan } from './plan.js';
import type { DryRunResult } from './result.js';

/** What in-flight work of a family is called: one and several. */
const WORK: Readonly<Record<string, readonly [one: string, several: string]>> = {
  job: ['job that was running becomes', 'jobs that were running become'],
  'cluster-job': ['clustering job that was running becomes', 'clustering jobs that were running become'],
  cluster: ['cluster that was being fixed becomes', 'clusters that were being fixed become'],
  'legacy-cluster': ['old cluster that was being fixed becomes', 'old clusters that were being fixed become'],
};

/** What happens to in-flight work: `7 jobs that were running become failed`. Null when there is none. */
export function workWords({ failsWork }: Plan): string | null {
  const families = Object.entries(failsWork).sort(([a], [b]) => (a < b ? -1 : 1));
  if (families.length === 0) return null;
  const each = families.map(([family, failed]) => {
    const [one, several] = WORK[family] ?? ['record in flight becomes', 'records in flight become'];
    return `${count(failed)} ${failed === 1 ? one : several} failed`;
  });
  return `${each.join(', ')}: no worker runs them any more (--no-settle keeps them as they were).`;
}

const REASON_WORDS = {
  type: 'of another type',
  expiry: 'another expiry',
  'field-expiry': 'another expiry of fields',
  value: 'another value',
} as const;

/** Which keys are left out as erased; null when none are. */
export function erasedWords({ erased }: Plan): string | null {
  const families = Object.entries(erased).sort(([a], [b]) => (a < b ? -1 : 1));
  if (families.length === 0) return null;
  const keys = families.reduce((sum, [, each]) => sum + each, 0);
  const which = families.map(([family, each]) => `${family} ${count(each)}`).join(', ');
  return `Left out, since their user or project is on the erasure list: ${counted(keys, 'key')} of the snapshot (${which}). \`npx soulcaster-backup erasures list --env-file .env\` says why.`;
}

/** How many names of keys that are left out are told. */
const NAMED = 10;

/** Which keys of external ids are left out, and how to get them; null when none is. */
export function danglingWords({ dangling: { count: keys, names } }: Plan): string | null {
  if (keys === 0) return null;
  const named = names.slice(0, NAMED).map(keyName);
  const more = keys > named.length ? [`and ${count(keys - named.length)} more`] : [];
  return `Left out, since neither the snapshot nor the target has the item: ${counted(keys, 'key')} of external ids (${[...named, ...more].join(', ')}). Restore the items first, then the keys; mode replace brings the keys back as they are.`;
}

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

/** `snapshot ID`, or the file that was restored: its snapshot is in no store. */
export function snapshotName({ file, snapshot }: Pick<DryRunResult, 'file' | 'snapshot'>): string {
  return file === null ? `snapshot ${snapshot}` : `file ${file}`;
}

/** Warnings about the snapshot: a doubtful one can be restored by its id, and the operator must know. */
export function doubtWords({ accepted, file, names, snapshot, staysMarked }: DryRunResult): string[] {
  const { doubts, unsaved } = names.snapshot;
  const why = doubts.map(printable).join('; ');
  const doubtful =
    accepted === null
      ? `Snapshot ${snapshot} is doubtful: ${why}.`
      : `Snapshot ${snapshot} was accepted at ${accepted.at} by ${printable(accepted.by)}: ${printable(accepted.reason)}. Its doubts: ${why}.`;
  return [
    ...(doubts.length === 0 ? [] : [doubtful]),
    ...(staysMarked ? [markedWords(snapshot)] : []),
    ...(unsaved === null ? [] : [`Not in ${snapshotName({ file, snapshot })}: ${printable(unsaved)}.`]),
  ];
}

/** What happens to lists of members. `losing`: lines that name the lists that lose some. */
export function listWords(plan: Plan, scope: DryRunResult['scope'], losing: readonly string[] = []): string[] {
  const { goneClusters } = plan;
  const { added, expiry, moved, wrongType } = plan.lists;
  const isItems = 'items' in scope;
  return [
    ...(added === 0 ? [] : [`Members added to lists, or given the snapshot's score: ${count(added)}.`]),
    ...(expiry === 0
      ? []
      : [`Lists that get the snapshot's expiry, or lose theirs because it has none: ${count(expiry)}.`]),
    ...(moved === 0
      ? []
      : [
          isItems
            ? `Entries of the items removed from lists, since the snapshot has none there: ${count(moved)}.`
            : `Members moved to the list where the snapshot has them: ${count(moved)}.`,
          ...losing,
        ]),
    ...(goneClusters === 0 ? [] : [goneWords(goneClusters)]),
    ...(wrongType === 0 ? [] : [`Lists that are of another type in the target: ${count(wrongType)}.`]),
  ];
}

export function userWords({ usersJoined, usersLeft }: Plan): string[] {
  return [
    ...(usersJoined === 0 ? [] : [`The project is put on the list of ${counted(usersJoined, 'user')}.`]),
    ...(usersLeft === 0 ? [] : [`The project is taken off the list of ${counted(usersLeft, 'user')}.`]),
  ];
}

/** The notes of a plan beside its numbers, a sentence each, the most important first. */
export function planNotes(result: DryRunResult): string[] {
  const { plan, scope } = result;
  return [
    ...doubtWords(result),
    ...[erasedWords(plan), danglingWords(plan), workWords(plan)].filter((words) => words !== null),
    ...listWords(plan, scope),
    ...userWords(plan),
  ];
}

/** The warning of a snapshot that was taken during a restore: its data are partly old and partly restored. */
export function markedWords(snapshot: string): string {
  return `Snapshot ${snapshot} was taken during an unfinished restore, so the database stays marked, and no snapshot of it is \`latest\`, until another snapshot is restored or \`npx soulcaster-backup snapshots accept ID --reason TEXT --env-file .env\` confirms the data.`;
}

/** The note for items whose clusters no longer exist in the target. */
export function goneWords(clusters: number): string {
  return clusters === 1
    ? 'The cluster that the snapshot has the item in no longer exists: the item is put as unclustered.'
    : `${clusters} clusters that the snapshot has items in no longer exist: the items are put as unclustered.`;
}
