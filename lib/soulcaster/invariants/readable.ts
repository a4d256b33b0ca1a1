import type { Chosen } from './context.js';

/** Where feedback comes from, as the application's model of an item has it. */
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

/** What is read of an item's hash, null where a field is not there; of the body only whether it is. */
export type ItemFields = Chosen<(typeof ITEM_FIELDS)[number]> & { readonly hasBody: boolean };

/**
 * Whether the application can read an item: it leaves out, in its lists and in its counts, what its model refuses. The
 * model asks for a UUID as the id, a known source, a title and a body (which may be empty), a project and a date.
 * Metadata are not looked at: they may be as long as a body, and the application writes nothing but objects there.
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

export type ClusterFields = Chosen<(typeof CLUSTER_FIELDS)[number]>;

/** Whether the application can read a cluster; one that it cannot is left out of its list. */
export function isReadableCluster(cluster: ClusterFields): boolean {
  return CLUSTER_FIELDS.every((field) => cluster[field] !== null) && !breaksList(cluster);
}

/** Whether the application fails on the whole list over this cluster: it reads dates before it sorts out the bad. */
export function breaksList({ created_at: created, updated_at: updated }: ClusterFields): boolean {
  return [created, updated].some((date) => date !== null && !isDate(date));
}

/** A date, or a date and time, as Python's `datetime.fromisoformat` takes it. */
function isDate(text: string): boolean {
  const day = ISO.exec(text)?.[1];
  if (day === undefined) return false;
  const time = Date.parse(`${day}T00:00:00Z`);
  // JavaScript moves the 30th of February to March.
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(day);
}
