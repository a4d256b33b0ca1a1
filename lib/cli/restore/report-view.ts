import { RTO_HOURS, RTO_MS } from '../../monitoring/objectives.js';
import { RULES } from '../../soulcaster/invariants/rules.js';
import { estimatedUsd } from '../../snapshot/kinds.js';
import { bytes, count, counted, dollars, duration } from '../../formats.js';
import { keyName, namesHint, printable } from '../../snapshot/ledger.js';
import { facts, table } from '../output/table.js';
import { RESTORE } from '../../restore/kinds.js';
import { reindexCommand, type ReindexScope } from '../../reindex/model.js';
import type { RestoredProject, RestoredResult } from '../../restore/result.js';
import type { Undo } from './ending.js';
import { danglingWords, erasedWords, goneWords, markedWords } from '../../restore/plan-words.js';
import { scopeWords, snapshotWords, targetWords } from './plan-view.js';

/** How many projects without a fault are shown; projects with faults are always shown. */
const SHOWN = 20;

/** The report of a restore as text, most important facts first. */
export function reportView(result: RestoredResult, undo: Undo | null): string {
  const leftOut = [erasedWords(result.plan), danglingWords(result.plan)].filter((words) => words !== null);
  return [
    `${headline(result)}\n${facts(overview(result, undo))}`,
    ...(result.staysMarked ? [markedWords(result.snapshot)] : []),
    ...(result.plan.goneClusters === 0 ? [] : [goneWords(result.plan.goneClusters)]),
    ...leftOut,
    ...failedKeys(result),
    ...projectsView(result.projects),
    `Time by phase:\n${facts(Object.entries(result.phases).map(([phase, ms]) => [RESTORE.words[phase] ?? phase, duration(ms)]))}`,
    ...vectorsHint(result),
  ].join('\n\n');
}

function headline(result: RestoredResult): string {
  const what = `${snapshotWords(result)} (${scopeWords(result)}, mode ${result.mode})`;
  const { missing, different } = result.proof.total;
  if (result.gone !== null) {
    const { proven, there } = result.gone;
    return `NOT PROVEN: ${what} was written into ${targetWords(result)} and compared, but at the end the target held only ${counted(there, 'key')}, fewer than the ${count(proven)} expected.`;
  }
  if (missing + different === 0) return `Restored ${what} into ${targetWords(result)}.`;
  return `NOT PROVEN: ${what} was written into ${targetWords(result)}, but not all keys equal the snapshot.`;
}

function overview(result: RestoredResult, undo: Undo | null): [string, string | null][] {
  const { extras, locksTaken, milliseconds, plan, proof, removed, spent, united, written } = result;
  const lists = united?.lists ?? 0;
  const { unsaved } = result.names.snapshot;
  const { total } = plan;
  const toService = result.restoredMilliseconds ?? milliseconds;
  const some = (value: number, words: string): string | null =>
    value === 0 ? null : `${counted(value, 'key')} ${words}`;
  const price = dollars(estimatedUsd(spent.commands + (undo?.commands ?? 0)));
  const saving =
    undo === null || undo.commands === 0 ? '' : `, ${count(undo.commands)} more to save the previous state`;
  return [
    [
      'written',
      `${counted(written.written, 'key')}, ${bytes(written.bytes)} (planned${lists === 0 ? '' : ', with lists'}: ${count(total.write)} absent, ${count(total.overwrite + total.fail)} different)`,
    ],
    ['united', lists === 0 ? null : `${counted(lists, 'list')}, which got ${counted(united?.members ?? 0, 'member')}`],
    ['removed', counted(removed + written.removed, 'key')],
    ['left', `${counted(total.same, 'key')} already equal`],
    ['blocked', some(total.blocked, 'left unchanged, because no snapshot can hold the present value')],
    ['kept', some(total.keep, 'that differ, left by the mode')],
    ['expired', some(total.expired, 'of the snapshot, expired meanwhile')],
    ['not in it', unsaved === null ? null : printable(unsaved)],
    ['newer', some(extras, 'not in the snapshot: new, or not possible to save')],
    ['locks', locksTaken === 0 ? null : `${count(locksTaken)} taken over from clustering in progress`],
    ['proof', proofLine(proof.total)],
    ['undo', undo?.words ?? 'nothing to undo'],
    ['commands', `${count(spent.commands)} in ${counted(spent.requests, 'request')}${saving}, at most ${price}`],
    ['restored', toServiceWords(toService)],
    ['time', `${duration(milliseconds)} including the proof`],
  ];
}

/** The time until all was written, in milliseconds, against the objective. */
export function toServiceWords(milliseconds: number): string {
  const within = milliseconds <= RTO_MS ? 'within' : 'OVER';
  return `in ${duration(milliseconds)}, ${within} the objective of ${RTO_HOURS} h`;
}

function proofLine({ equal, expired, kept, blocked, missing, different }: RestoredResult['proof']['total']): string {
  const parts = [`${counted(equal, 'key')} equal`];
  if (expired > 0) parts.push(`${count(expired)} expired`);
  if (kept > 0) parts.push(`${count(kept)} kept`);
  if (blocked > 0) parts.push(`${count(blocked)} left`);
  return [...parts, `${count(missing)} missing`, `${count(different)} different`].join(', ');
}

function failedKeys({ proof }: RestoredResult): string[] {
  if (proof.examples.length === 0) return [];
  const rows = proof.examples.map(({ verdict, key, difference }) => [keyName(key), verdict, difference ?? '']);
  const hint = namesHint(proof.examples.map(({ key }) => ({ key, reason: '' })));
  return [table(['key', 'verdict', 'in what'], rows), ...(hint === null ? [] : [hint])];
}

function projectsView(projects: readonly RestoredProject[]): string[] {
  if (projects.length === 0) return [];
  const faulty = projects.filter(isFaulty);
  const shown = [...faulty, ...projects.filter((each) => !isFaulty(each)).slice(0, SHOWN)];
  const rows = shown.map(({ project, feedback, clusters, loads, violations, backend }) => [
    printable(project),
    count(feedback),
    count(clusters),
    loads ? 'yes' : 'NO',
    count(violations.reduce((sum, violation) => sum + violation.count, 0)),
    backend.replaceAll('-', ' '),
  ]);
  const more = projects.length - shown.length;
  const found = shown.flatMap(violationLines);
  return [
    table(['project', 'feedback', 'clusters', 'loads', 'violations', 'backend'], rows, [1, 2, 4]) +
      (more > 0 ? `\nand ${counted(more, 'project')} without a fault` : ''),
    ...(found.length === 0 ? [] : [`Broken invariants in the data:\n${found.join('\n')}`]),
  ];
}

function isFaulty({ loads, violations, backend }: RestoredProject): boolean {
  return !loads || violations.length > 0 || backend === 'differs' || backend === 'no-answer';
}

function violationLines({ project, violations }: RestoredProject): string[] {
  return violations.map(({ rule, count: broken, examples, ...origin }) => {
    const words = Object.hasOwn(RULES, rule) ? RULES[rule as keyof typeof RULES] : rule;
    const which = examples.length === 0 ? '' : `: ${examples.map(printable).join(', ')}`;
    return `  ${printable(project)}: ${words} (${count(broken)}${which})${originWords(origin)}`;
  });
}

type Origin = Pick<RestoredProject['violations'][number], 'inSnapshot' | 'before' | 'fresh' | 'unknown'>;

/** The origin of the violations; runs of older versions did not record it. */
function originWords({ before, fresh, inSnapshot, unknown }: Origin): string {
  const parts = [
    ...(fresh > 0 ? [`${count(fresh)} NEW`] : []),
    ...(unknown > 0 ? [`${count(unknown)} not in the snapshot, with the previous state not saved`] : []),
    ...(inSnapshot > 0 ? [`${count(inSnapshot)} in the snapshot`] : []),
    ...(before > 0 ? [`${count(before)} there before the restore`] : []),
  ];
  return parts.length === 0 ? '' : `: ${parts.join(', ')}`;
}

/** The scope of the vectors to rebuild; null if there is nothing to rebuild. */
export function vectorsOf({ scope, vectorScope }: RestoredResult): ReindexScope | null {
  if (vectorScope !== undefined) return vectorScope;
  return 'project' in scope ? { project: scope.project } : { all: true };
}

function vectorWords(scope: ReindexScope, restored: number): string {
  if ('items' in scope) return scope.items.length === 1 ? 'the item' : `the ${count(scope.items.length)} items`;
  if ('projects' in scope) return `the ${count(scope.projects.length)} projects`;
  return 'project' in scope || restored === 1 ? 'the project' : `all ${count(restored)} projects`;
}

/** The next step for the vectors, which may name clusters that no longer exist. */
function vectorsHint(result: RestoredResult): string[] {
  const { projects, vectors } = result;
  const scope = vectorsOf(result);
  if (scope === null) return [];
  const which = vectorWords(scope, projects.length);
  const toDo = `Next: re-index the vectors of ${which}. The present vectors may name clusters that no longer exist.`;
  const how = `\`${reindexCommand(scope)}\``;
  switch (vectors.state) {
    case 'started':
      return [`Run ${vectors.run ?? ''} re-indexes the vectors of ${which} now.`];
    case 'busy':
      return [`${toDo} Run ${vectors.run ?? ''} is using the index: wait until it is over, then run ${how}.`];
    case 'failed':
      return [`${toDo} The re-index could not be started: run ${how}.`];
    case 'to-do':
      return projects.length === 0 ? [] : [toDo];
    case 'not-configured':
      return projects.length === 0
        ? []
        : [`${toDo} Index and embedder are not configured here: run ${how} where they are.`];
    case 'skipped':
      return [];
  }
}
