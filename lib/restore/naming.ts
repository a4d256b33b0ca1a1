import type { RedisPort } from '../ports/redis.js';
import type { Manifest } from '../snapshot/manifest.js';
import { unsavedWords } from '../snapshot/ledger.js';
import { doubtsOf } from '../snapshot/summary.js';
import { plainLabel, shortSource, sourceOf } from '../snapshot/source.js';

/**
 * The snapshot and the database of a restore, for people. Sources by their first digits. No host: this is stored with
 * the run. A type, not an interface: it is JSON.
 */
export type RestoreNames = {
  readonly database: { readonly source: string; readonly label: string | null };
  readonly snapshot: {
    readonly source: string;
    readonly label: string | null;
    /** Whether the snapshot is of the database that it is restored into. */
    readonly own: boolean;
    readonly createdAt: string;
    /** Why the snapshot may not show its whole database. */
    readonly doubts: readonly string[];
    /** Keys of its database that the snapshot lacks, in words; null when the manifest reports none. */
    readonly unsaved: string | null;
  };
};

interface NamingPorts {
  readonly redisOf: (target: string | null) => Pick<RedisPort, 'host'>;
  readonly label?: string | null;
}

export function namesOf({ label, redisOf }: NamingPorts, manifest: Manifest, target: string | null): RestoreNames {
  const source = sourceOf(redisOf(target).host);
  return {
    database: { source: shortSource(source), label: target === null ? (label ?? null) : null },
    snapshot: {
      source: shortSource(manifest.source),
      label: plainLabel(manifest.label),
      own: manifest.source === source,
      createdAt: manifest.createdAt,
      doubts: doubtsOf(manifest).map(({ detail }) => detail),
      unsaved: unsavedWords(manifest),
    },
  };
}
