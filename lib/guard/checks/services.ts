import type { Ports } from '../../ports/index.js';
import { fail, ok, warn, type CheckGroup } from '../doctor.js';

const METRIC = 'COSINE';

/** The index that re-indexing writes to: reached, of the embeddings' dimension, and compared by the cosine. */
export function indexChecks(open: () => Ports['vectors'], dimensions: () => number): CheckGroup {
  return [
    {
      name: 'index',
      look: async () => {
        const { dimensions: has, metric } = await open().info();
        const wanted = dimensions();
        if (has !== wanted) {
          return fail(
            `the index has ${has} dimensions, the embeddings have ${wanted}`,
            'Set EMBEDDING_DIMENSIONS and EMBEDDING_MODEL to what the application uses, or make an index of that dimension.',
          );
        }
        if (metric === METRIC) return ok(`reached; ${has} dimensions, compared by the cosine`);
        return fail(
          `the index compares by ${metric} instead of ${METRIC}`,
          'Make an index with the cosine and set UPSTASH_VECTOR_REST_URL and _TOKEN to it.',
        );
      },
    },
  ];
}

/** One text is embedded, as a re-index would do it. */
export function embedderChecks(open: () => Ports['embedder']): CheckGroup {
  return [
    {
      name: 'embedder',
      look: async () => {
        const embedder = open();
        const [vector] = await embedder.embed(['A short text to see whether texts can be embedded.']);
        const length = vector?.length ?? 0;
        if (length === embedder.dimensions) return ok(`${embedder.model} embedded a text in ${length} dimensions`);
        return fail(
          `${embedder.model} gives ${length} dimensions, not ${embedder.dimensions}`,
          'Set EMBEDDING_DIMENSIONS to a number that the model gives, and to that of the application.',
        );
      },
    },
  ];
}

/** The application's backend, which is asked after a restore. */
export function backendChecks(open: () => Ports['backend']): CheckGroup {
  return [
    {
      name: 'backend',
      look: async () =>
        (await open().healthy())
          ? ok('GET /health answers that all is well')
          : fail('GET /health does not answer that all is well', 'See the log of the backend, and check BACKEND_URL.'),
    },
  ];
}

/** Secrets whose form alone can be tried here. `open` throws `config` for one that is none. */
export function formCheck(name: string, open: () => unknown, words: string): CheckGroup {
  return [
    {
      name,
      look: () => {
        open();
        return Promise.resolve(ok(words));
      },
    },
  ];
}

/** A database that restores may be sent to. `isProtected`: whether it is the one that is backed up. */
export function scratchCheck(
  name: string,
  open: () => Ports['redis'],
  protectedHost: string | null,
  isDrill: boolean,
): CheckGroup {
  return [
    {
      name,
      look: async () => {
        const redis = open();
        if (redis.host === protectedHost) {
          return fail(
            `it is the database that is backed up (${redis.host})`,
            isDrill
              ? 'Drills wipe it: set DRILL_REDIS_REST_URL to a database of its own.'
              : 'Set it to another database.',
          );
        }
        const key = `soulcaster-backup:doctor:${Math.random().toString(36).slice(2)}`;
        const replies = await redis.pipeline([['DBSIZE'], ['SET', key, '1', 'PX', '10000'], ['DEL', key]]);
        const refused = replies.find((reply) => 'error' in reply);
        if (refused !== undefined && 'error' in refused) {
          return fail(
            `${redis.host} refuses to be written to: ${refused.error.slice(0, 200)}`,
            'Use the standard token of the database, not the read-only one, and see that it is not full.',
          );
        }
        const size = replies[0] !== undefined && 'value' in replies[0] ? Number(replies[0].value) : 0;
        if (!isDrill || size === 0) return ok(`${redis.host} is reached and takes writes`);
        return warn(
          `${redis.host} holds ${size} keys, and a drill needs it empty`,
          'Wipe it, or set DRILL_REDIS_REST_URL to a database that is used for nothing else.',
        );
      },
    },
  ];
}
