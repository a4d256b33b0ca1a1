import { count, counted } from '../formats.js';
import { keyName, printable } from '../snapshot/key-names.js';
import { lackWords } from './lacks.js';
import { REASONS, type Plan } from './plan-counts.js';
import type { DryRunResult } from './result.js';

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

/** What is left out as erased; null when nothing is. */
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

/** A doubtful snapshot can be restored by its id; whoever does must know. */
export function doubtWords({ names, snapshot, staysMarked }: DryRunResult): string[] {
  const { doubts, unsaved } = names.snapshot;
  return [
    ...(doubts.length === 0 ? [] : [`Snapshot ${snapshot} is doubtful: ${doubts.map(printable).join('; ')}.`]),
    ...(staysMarked ? [markedWords(snapshot)] : []),
    ...(unsaved === null ? [] : [`Not in snapshot ${snapshot}: ${printable(unsaved)}.`]),
  ];
}

/** What becomes of lists of members. `losing`: lines that name those which lose some. */
export function listWords(plan: Plan, scope: DryRunResult['scope'], losing: readonly string[] = []): string[] {
  const { goneClusters } = plan;
  const { added, expiry, moved, wrongType } = plan.lists;
  const isItems = 'items' in scope;
  return [
    ...(added === 0 ? [] : [`Members that lists get, or that get the snapshot's score: ${count(added)}.`]),
    ...(expiry === 0 ? [] : [`Lists that get the snapshot's expiry, or lose theirs as it has none: ${count(expiry)}.`]),
    ...(moved === 0
      ? []
      : [
          isItems
            ? `Entries of the items that lists lose, since the snapshot has none there: ${count(moved)}.`
            : `Members that move to the list where the snapshot has them: ${count(moved)}.`,
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

/** What a plan says beside the numbers of its keys, a sentence each; what must be known first comes first. */
export function planNotes(result: DryRunResult): string[] {
  const { plan, scope } = result;
  return [
    ...doubtWords(result),
    ...[erasedWords(plan), danglingWords(plan), workWords(plan)].filter((words) => words !== null),
    ...listWords(plan, scope),
    ...userWords(plan),
  ];
}

/** Of a snapshot that was taken in the middle of a restore: what it brings back is partly old and partly restored. */
export function markedWords(snapshot: string): string {
  return `Snapshot ${snapshot} shows an unfinished restore, so that its database stays marked, and no snapshot of it is \`latest\`, until another snapshot is restored or \`snapshots accept\` says that the data are right.`;
}

/** Of items whose clusters are gone from the target. */
export function goneWords(clusters: number): string {
  const which = clusters === 1 ? 'The cluster is' : `${clusters} clusters are`;
  return `${which} gone that the snapshot has the item in: there it is put as unclustered.`;
}
