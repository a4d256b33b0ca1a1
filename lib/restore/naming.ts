import type { RedisPort } from '../ports/redis.js';
import type { Manifest } from '../snapshot/manifest.js';
import { unsavedWords } from '../snapshot/shortfall.js';
import { doubtsOf, plainLabel, shortSource, sourceOf } from '../snapshot/source.js';

/**
 * What a restore is of and what it goes into, for people. Sources by their first digits. No host: it is stored with the
 * run. A type, not an interface: it is JSON.
 */
export type RestoreNames = {
  readonly database: { readonly source: string; readonly label: string | null };
  readonly snapshot: {
    readonly source: string;
    readonly label: string | null;
    /** Whether it is of the database that it goes into. */
    readonly own: boolean;
    readonly createdAt: string;
    /** Why it may not show its database whole. */
    readonly doubts: readonly string[];
    /** Keys of that database that are not in it, in words; null when it says of none. */
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
