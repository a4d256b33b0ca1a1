import { count, counted, dollars, duration, printable } from '../output/format.js';
import { facts, table } from '../output/table.js';
import type { ReindexPlan, ReindexReport } from './result.js';

/** So many skipped items and conflicts are shown; --json names more. */
const SHOWN = 20;

/** What a re-index would do. */
export function planText(plan: ReindexPlan): string {
  const rows = plan.projects.map(({ project, items, toEmbed, present, strays, conflicts, skipped }) => [
    projectName(project),
    ...[items, present, toEmbed, strays, conflicts, skipped].map(count),
  ]);
  return [
    `What a re-index of mode ${plan.mode} would do:`,
    table(
      ['project', 'items', 'with a vector', 'to embed', 'strays', 'conflicts', 'skipped'],
      rows,
      [1, 2, 3, 4, 5, 6],
    ),
    facts([
      ['calls', `${count(plan.calls)} of the embedder, about ${count(plan.tokens)} tokens`],
      ['price', `about ${dollars(plan.estimatedUsd)}`],
    ]),
    ...remarks(plan),
  ].join('\n\n');
}

/** How a re-index went. */
export function reportText(report: ReindexReport): string {
  const rows = report.projects.map(({ project, items, embedded, unchanged, swept, skipped, conflicts }) => [
    projectName(project),
    ...[items, embedded, unchanged, swept, skipped, conflicts].map(count),
  ]);
  const { proof } = report;
  return [
    `Re-indexed with mode ${report.mode}.`,
    table(['project', 'items', 'embedded', 'unchanged', 'swept', 'skipped', 'conflicts'], rows, [1, 2, 3, 4, 5, 6]),
    facts([
      [
        'proof',
        `${counted(proof.items, 'item')}, ${counted(proof.vectors, 'vector')}: ${count(proof.missing)} missing, ${count(proof.strays)} strays, ${count(proof.wrong)} wrong; ${count(proof.sampleFound)} of ${count(proof.sampled)} found themselves`,
      ],
      ['calls', `${count(report.calls)} of the embedder, about ${count(report.tokens)} tokens`],
      ['price', `about ${dollars(report.estimatedUsd)}`],
      ['time', duration(report.milliseconds)],
    ]),
    ...remarks(report),
  ].join('\n\n');
}

function remarks({ skipped, conflicts }: Pick<ReindexReport, 'skipped' | 'conflicts'>): string[] {
  const lines: string[] = [];
  if (skipped.count > 0) {
    const rows = skipped.named
      .slice(0, SHOWN)
      .map(({ project, id, reason }) => [projectName(project), printable(id), reason.replaceAll('-', ' ')]);
    lines.push(`${table(['project', 'item without a vector', 'why'], rows)}${more(skipped.count, rows.length)}`);
  }
  if (conflicts.count > 0) {
    const rows = conflicts.named
      .slice(0, SHOWN)
      .map(({ project, id, clusters, chosen }) => [
        projectName(project),
        printable(id),
        count(clusters.length),
        printable(chosen),
      ]);
    lines.push(
      `${table(['project', 'item in several clusters', 'how many', 'taken'], rows)}${more(conflicts.count, rows.length)}`,
    );
  }
  return lines;
}

function more(all: number, shown: number): string {
  return all > shown ? `\nand ${count(all - shown)} more` : '';
}

/** Items of old that belong to no project are in the index's default namespace. */
function projectName(project: string): string {
  return project === '' ? '(none)' : printable(project);
}
