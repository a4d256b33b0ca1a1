const PREFIXES = ['runs/', 'leases/', 'webhooks/', 'drills/', 'guard/', 'credentials/', 'rotations/'] as const;
const OF_A_SNAPSHOT = /^snapshots\/[^/]+\/(verification|accepted|adopted)\.json$/;

/** The catalogue of snapshots, kept up to date by whoever adds, verifies or removes one. */
export const CATALOG_NAME = 'catalog.json';

/**
 * Whether an object of the store is control state: JSON that runs, leases, alerts or the trust in a snapshot go by.
 * Parts, manifests and tombstones are none: those carry a signature of their own format.
 */
export function isControlName(name: string): boolean {
  return name === CATALOG_NAME || PREFIXES.some((prefix) => name.startsWith(prefix)) || OF_A_SNAPSHOT.test(name);
}
