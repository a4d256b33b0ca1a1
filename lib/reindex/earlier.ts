import { z } from 'zod';
import type { ObjectStore } from '../ports/store.js';
import { taskResults } from '../runs/markers.js';
import { loadRun } from '../runs/records.js';
import { listBatches, loadBatch } from './batches.js';
import { type EmbedResult, type Fingerprint, loadPartial } from './embed-task.js';
import { isRefusal, SKIP_REASONS } from './model.js';

/** Fingerprints of the vectors that an earlier run wrote, by project and item. */
export type EarlierPrints = ReadonlyMap<string, ReadonlyMap<string, Fingerprint>>;

const leftSchema = z.object({
  projects: z.array(
    z.object({
      project: z.string(),
      skipped: z.number(),
      wrong: z.number(),
      refused: z.string().nullable(),
      proof: z
        .object({
          missing: z.number(),
          strays: z.number(),
          left: z.number(),
          sampled: z.number(),
          sampleFound: z.number(),
        })
        .nullable(),
    }),
  ),
  skipped: z.object({
    byReason: z.record(z.string(), z.number()),
    named: z.array(z.object({ project: z.string(), reason: z.enum(SKIP_REASONS) })),
  }),
});

/** The projects that an earlier run left unfinished; null if there are none, or if the run has no report. */
export async function findUnfinishedProjects(store: ObjectStore, run: string): Promise<ReadonlySet<string> | null> {
  const { record } = await loadRun(store, run);
  const report = leftSchema.safeParse(record.result).data;
  if (report === undefined) return null;
  const refusedIn = new Set(report.skipped.named.filter(({ reason }) => isRefusal(reason)).map((one) => one.project));
  // If not every refused item is named, any project with a skipped item may have one.
  const isNamedAll = Object.values(report.skipped.byReason).reduce((a, b) => a + b, 0) <= report.skipped.named.length;
  const left = report.projects.filter(({ project, proof, refused, skipped, wrong }) => {
    if (refused !== null || proof === null || refusedIn.has(project) || (!isNamedAll && skipped > 0)) return true;
    return wrong + proof.missing + proof.strays + proof.left > 0 || proof.sampleFound < proof.sampled;
  });
  return left.length === 0 ? null : new Set(left.map(({ project }) => project));
}

/**
 * What an earlier run embedded and wrote, whether it finished or not. Each entry is checked against the item and its vector
 * again, and not embedded again if both are unchanged. Refused items are left out.
 */
export async function loadEarlierPrints(store: ObjectStore, run: string): Promise<EarlierPrints> {
  const found = new Map<string, Map<string, Fingerprint>>();
  for (const kind of ['embed', 'late'] as const) {
    const results = new Map<number, readonly Fingerprint[]>();
    for await (const { task, result } of taskResults(store, run, kind, null)) {
      results.set(task, (result as unknown as EmbedResult).prints);
    }
    for (const [number, name] of await listBatches(store, run, kind)) {
      const prints = results.get(number) ?? (await loadPartial(store, run, kind, number)).prints;
      if (prints.length === 0) continue;
      const { items, project } = await loadBatch(store, name);
      const known = found.get(project) ?? new Map<string, Fingerprint>();
      for (const [at, [id]] of items.entries()) {
        const print = prints[at] ?? null;
        if (typeof print === 'string') known.set(id, print);
      }
      found.set(project, known);
    }
  }
  return found;
}
