const PREFIXES = ['runs/', 'leases/', 'webhooks/', 'drills/', 'guard/', 'credentials/', 'rotations/'] as const;
const OF_A_SNAPSHOT = /^snapshots\/[^/]+\/(verification|accepted|adopted)\.json$/;

/** The catalogue of snapshots, updated whenever a snapshot is added, verified or removed. */
export const CATALOG_NAME = 'catalog.json';

/**
 * Whether an object of the store is control state: JSON that decides about runs, leases, alerts or the trust in a snapshot.
 * Parts, manifests and tombstones are not: their formats have other signatures.
 */
export function isControlName(name: string): boolean {
  return name === CATALOG_NAME || PREFIXES.some((prefix) => name.startsWith(prefix)) || OF_A_SNAPSHOT.test(name);
}
