import { isId } from '../runs/ids.js';
import { loadManifest, type Manifest } from '../snapshot/manifest.js';
import type { RedisPort } from '../ports/redis.js';
import { classifyKey, type ClassifiedKey } from '../soulcaster/keys.js';
import { keyOf } from '../snapshot/record.js';
import { sourceRecords, type SourceRecord } from '../snapshot/source-records.js';
import { findUnlisted, inspectProject, type FullReport, type Rule, type Violation } from '../soulcaster/invariants.js';
import { withoutErased, type ErasedKeys } from './erased.js';
import type { RestoreContext, RestorePorts } from './context.js';
import { isWhole } from './selected.js';
import { recordedProjects, unsavedKeys } from './recorded-projects.js';

/** Of the ids that break a rule now, how many did so where; they add up to `count`. */
export interface Origin {
  /** In the snapshot that was restored. */
  readonly inSnapshot: number;
  /** Not there, but in the database before the restore. */
  readonly before: number;
  /** In neither: the restore brought it about, or somebody who wrote meanwhile. */
  readonly fresh: number;
  /** Not in the snapshot, and what was there before was not saved, or not all of it. */
  readonly unknown: number;
}

/** A type, not an interface: it is stored as JSON. */
export type TracedViolation = Violation & Origin;

type IdsOf = FullReport['idsOf'];

/**
 * Says where the violations of some projects come from, by the ids that break each rule in the snapshot itself and in what
 * the safety snapshot holds. Each is read only when there is something to ask it.
 */
export async function traceViolations(
  ports: RestorePorts,
  context: RestoreContext,
  reports: readonly FullReport[],
): Promise<TracedViolation[][]> {
  const faulty = reports.filter(({ report }) => report.violations.length > 0);
  if (faulty.length === 0) return reports.map(() => []);
  const names = faulty.map(({ report }) => report.project);
  const inSnapshot = await idsIn(ports, context, context.manifest, names, context.erased);
  const isExplained = ({ report, idsOf }: FullReport): boolean =>
    report.violations.every(({ rule }) => [...idsOf(rule)].every((id) => has(inSnapshot, report.project, rule, id)));
  const saved = faulty.every(isExplained) ? null : await savedState(ports, context);
  const before = saved === null ? null : await idsIn(ports, context, saved, names, null);
  // What was there and could not be saved is left as it was: a fault that it makes is not known to be new.
  const isAll = saved === null || (await unsavedKeys(ports.encryptor, saved)).all;
  const isKnown = isAll && (saved !== null || context.state.targetEmpty || isReplaced(context.input));
  return reports.map(({ report, idsOf }) =>
    report.violations.map((violation) => {
      const origin = { inSnapshot: 0, before: 0, fresh: 0, unknown: 0 };
      for (const id of idsOf(violation.rule)) {
        if (has(inSnapshot, report.project, violation.rule, id)) origin.inSnapshot += 1;
        else if (before !== null && has(before, report.project, violation.rule, id)) origin.before += 1;
        else if (isKnown) origin.fresh += 1;
        else origin.unknown += 1;
      }
      return { ...violation, ...origin };
    }),
  );
}

function has(ids: ReadonlyMap<string, IdsOf>, project: string, rule: Rule, id: string): boolean {
  return ids.get(project)?.(rule).has(id) === true;
}

async function idsIn(
  ports: RestorePorts,
  context: RestoreContext,
  manifest: Manifest,
  projects: readonly string[],
  erased: ErasedKeys | null,
): Promise<ReadonlyMap<string, IdsOf>> {
  const unsaved = (await unsavedKeys(ports.encryptor, manifest)).keys;
  const records = savedRecords(ports, manifest, erased);
  const { redis, pages } = await recordedProjects(records, new Set(projects), { unsaved });
  const reports = await inspectProjects(context, redis, pages(), projects);
  return new Map(reports.map(({ report, idsOf }) => [report.project, idsOf]));
}

/** What a snapshot holds, without what a restore leaves out of it. */
async function* savedRecords(
  ports: RestorePorts,
  manifest: Manifest,
  erased: ErasedKeys | null,
): AsyncGenerator<SourceRecord> {
  for (const part of manifest.parts.keys()) {
    for await (const record of sourceRecords(ports, manifest, part)) {
      const known = classifyKey(keyOf(record.first).toString('utf8'));
      if (erased?.has(known) === true) continue;
      yield erased?.mayList(known) === true ? withoutErased(record, erased) : record;
    }
  }
}

/**
 * Inspects projects in a database, or in what a snapshot holds of them: one walk over the names finds what no list names.
 * A restore of projects knows ids of them that their own lists may lack; the same are asked about everywhere, or what broke
 * a rule all along would look new.
 */
export async function inspectProjects(
  { facts, input }: Pick<RestoreContext, 'facts' | 'input'>,
  redis: RedisPort,
  names: AsyncIterable<readonly ClassifiedKey[]>,
  projects: readonly string[],
): Promise<FullReport[]> {
  const unlisted = await findUnlisted(redis, projects, names);
  const reports: FullReport[] = [];
  for (const project of projects) {
    const found = unlisted.get(project);
    const own = isWhole(input.scope) ? facts.byProject.get(project) : undefined;
    const clusters = [...(own?.clusters ?? []), ...(found?.clusters ?? [])];
    const jobs = [...(own?.jobs ?? []), ...(found?.jobs ?? [])];
    const [users, broken] = [own?.users ?? [], found?.broken ?? []];
    reports.push(await inspectProject(redis, project, { clusters, jobs, users, broken }));
  }
  return reports;
}

/** Whether what is there of a project after the restore is what the snapshot has, and nothing that was there before. */
function isReplaced({ mode, scope }: RestoreContext['input']): boolean {
  return mode === 'replace' && isWhole(scope);
}

async function savedState(ports: RestorePorts, { state }: RestoreContext): Promise<Manifest | null> {
  if (state.undo === null || !isId(state.undo)) return null;
  return (await loadManifest(ports.store, state.undo))?.manifest ?? null;
}
