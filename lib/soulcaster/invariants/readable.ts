import type { FieldValues } from './context.js';

/** The sources of feedback that the application's item model accepts. */
export const SOURCES = ['reddit', 'sentry', 'manual', 'github', 'splunk', 'posthog', 'datadog'] as const;

const KNOWN_SOURCES: ReadonlySet<string> = new Set(SOURCES);
const STATES: ReadonlySet<string> = new Set(['open', 'closed']);
const UUID = /^(?:urn:uuid:)?\{?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\}?$/i;
const WHOLE = /^\s*[+-]?\d+(?:\.0*)?\s*$/;
const ISO =
  /^(\d{4}-\d{2}-\d{2})(?:[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?(?:Z|[+-]\d{2}:?\d{2}(?::?\d{2})?)?)?$/i;

export const ITEM_FIELDS = [
  'id',
  'project_id',
  'source',
  'title',
  'created_at',
  'external_id',
  'repo',
  'github_issue_number',
  'status',
] as const;

/** Fields of an item's hash, null for a missing one; of the body only whether it exists. */
export type ItemFields = FieldValues<(typeof ITEM_FIELDS)[number]> & { readonly hasBody: boolean };

/**
 * Whether the application can read an item: its lists and counts leave out items that its model rejects. The model requires
 * a UUID as the id, a known source, a title and a body (which may be empty), a project and a date. Metadata are not
 * checked: they may be as long as a body, and the application writes only objects there.
 */
export function isReadableItem(item: ItemFields): boolean {
  const { id, source, created_at: createdAt, github_issue_number: issue, status } = item;
  return (
    id !== null &&
    UUID.test(id) &&
    item.project_id !== null &&
    source !== null &&
    KNOWN_SOURCES.has(source) &&
    item.title !== null &&
    item.hasBody &&
    createdAt !== null &&
    isDate(createdAt) &&
    (issue === null || WHOLE.test(issue)) &&
    (status === null || STATES.has(status))
  );
}

export const CLUSTER_FIELDS = ['id', 'project_id', 'title', 'summary', 'status', 'created_at', 'updated_at'] as const;

export type ClusterFields = FieldValues<(typeof CLUSTER_FIELDS)[number]>;

/** Whether the application can read a cluster; otherwise its list leaves the cluster out. */
export function isReadableCluster(cluster: ClusterFields): boolean {
  return CLUSTER_FIELDS.every((field) => cluster[field] !== null) && !breaksList(cluster);
}

/** Whether this cluster makes the application's whole list fail: it parses dates before it leaves out bad clusters. */
export function breaksList({ created_at: created, updated_at: updated }: ClusterFields): boolean {
  return [created, updated].some((date) => date !== null && !isDate(date));
}

/** A date, or a date and time, as accepted by Python's `datetime.fromisoformat`. */
function isDate(text: string): boolean {
  const day = ISO.exec(text)?.[1];
  if (day === undefined) return false;
  const time = Date.parse(`${day}T00:00:00Z`);
  // JavaScript moves the 30th of February to March.
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(day);
}
