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

/** How many of the ids that break a rule now also broke it elsewhere; the numbers add up to `count`. */
export interface Origin {
  /** Broke it in the restored snapshot. */
  readonly inSnapshot: number;
  /** Broke it in the database before the restore, but not in the snapshot. */
  readonly before: number;
  /** Broke it in neither: caused by the restore or by concurrent writes. */
  readonly fresh: number;
  /** Not in the snapshot, and the earlier state was not saved, or not completely. */
  readonly unknown: number;
}

/** A type, not an interface: it is stored as JSON. */
export type TracedViolation = Violation & Origin;

type IdsOf = FullReport['idsOf'];

/**
 * Finds where the violations of some projects come from, by the ids that break each rule in the snapshot and in the
 * safety snapshot. Each is read only when needed.
 */
export async function traceViolations(
  ports: RestorePorts,
  context: RestoreContext,
  reports: readonly FullReport[],
): Promise<TracedViolation[][]> {
  const faulty = reports.filter(({ report }) => report.violations.length > 0);
  if (faulty.length === 0) return reports.map(() => []);
  const names = faulty.map(({ report }) => report.project);
  const inSnapshot = await violatingIdsIn(ports, context, context.manifest, names, context.erased);
  const isExplained = ({ report, idsOf }: FullReport): boolean =>
    report.violations.every(({ rule }) =>
      [...idsOf(rule)].every((id) => breaksRule(inSnapshot, report.project, rule, id)),
    );
  const saved = faulty.every(isExplained) ? null : await loadSafetyManifest(ports, context);
  const before = saved === null ? null : await violatingIdsIn(ports, context, saved, names, null);
  // Keys that could not be saved were left as they were: a violation that they cause is not known to be new.
  const isAll = saved === null || (await unsavedKeys(ports.encryptor, saved)).all;
  const isKnown = isAll && (saved !== null || context.state.targetEmpty || isReplaced(context.input));
  return reports.map(({ report, idsOf }) =>
    report.violations.map((violation) => {
      const origin = { inSnapshot: 0, before: 0, fresh: 0, unknown: 0 };
      for (const id of idsOf(violation.rule)) {
        if (breaksRule(inSnapshot, report.project, violation.rule, id)) origin.inSnapshot += 1;
        else if (before !== null && breaksRule(before, report.project, violation.rule, id)) origin.before += 1;
        else if (isKnown) origin.fresh += 1;
        else origin.unknown += 1;
      }
      return { ...violation, ...origin };
    }),
  );
}

function breaksRule(ids: ReadonlyMap<string, IdsOf>, project: string, rule: Rule, id: string): boolean {
  return ids.get(project)?.(rule).has(id) === true;
}

async function violatingIdsIn(
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

/** The records of a snapshot, without the erased data. */
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
 * Inspects projects in a database, or in the records of a snapshot; one walk over the names finds clusters and jobs
 * that no list names. A restore of projects knows ids that their own lists may lack; they are checked in every source,
 * or old violations would look new.
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

/** Whether the restore leaves of each project exactly what the snapshot has. */
function isReplaced({ mode, scope }: RestoreContext['input']): boolean {
  return mode === 'replace' && isWhole(scope);
}

async function loadSafetyManifest(ports: RestorePorts, { state }: RestoreContext): Promise<Manifest | null> {
  if (state.undo === null || !isId(state.undo)) return null;
  return (await loadManifest(ports.store, state.undo))?.manifest ?? null;
}
