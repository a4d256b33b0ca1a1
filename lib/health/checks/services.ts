import { randomUUID } from 'node:crypto';
import { AppError, toAppError } from '../../errors.js';
import type { Ports } from '../../ports/index.js';
import { holdsKey } from '../../redis/absent-key.js';
import { runOne } from '../../redis/run-one.js';
import { fail, ok, warn, type CheckGroup, type Observation } from '../doctor.js';
import type { Queue } from '../../ports/queue.js';

const METRIC = 'COSINE';

interface IndexQuestions {
  readonly dimensions: () => number;
  /** What there is to tell of vectors in it that were made with another model than is configured; null for nothing. */
  readonly other: () => Promise<{ readonly message: string; readonly hint: string } | null>;
  /** Whether writing is tried as well, which counts for the plan's daily limit. */
  readonly writes: boolean;
}

/** The index that re-indexing writes to: reached, of the embeddings' dimension, and compared by the cosine. */
export function indexChecks(open: () => Ports['vectors'], { dimensions, other, writes }: IndexQuestions): CheckGroup {
  return [
    {
      name: 'index',
      run: async () => {
        const index = open();
        const { dimensions: has, metric, namespaces } = await index.info();
        const wanted = dimensions();
        if (has !== wanted) {
          return fail(
            `the index has ${has} dimensions, the embeddings have ${wanted}`,
            'Set EMBEDDING_DIMENSIONS and EMBEDDING_MODEL to what the application uses, or make an index of that dimension.',
          );
        }
        if (metric !== METRIC) {
          return fail(
            `the index compares by ${metric} instead of ${METRIC}`,
            'Make an index with the cosine and set UPSTASH_VECTOR_REST_URL and _TOKEN to it.',
          );
        }
        const mixed = await other();
        if (mixed !== null) return fail(mixed.message, mixed.hint);
        const refused = writes ? await tryIndexWrite(index, Object.keys(namespaces)) : null;
        return refused ?? ok(`reached${writes ? ' and written to' : ''}; ${has} dimensions, compared by the cosine`);
      },
    },
  ];
}

/** Removes a vector that is not there, which a read-only token may not. Null where it may, or where a limit of the plan says no more. */
async function tryIndexWrite(
  index: Ports['vectors'],
  [namespace = '']: readonly string[],
  prefix = 'UPSTASH_VECTOR_REST_',
): Promise<Observation | null> {
  const error = await index.remove(namespace, [`soulcaster-backup:doctor:${randomUUID()}`]).then(
    () => null,
    (cause: unknown) => toAppError(cause),
  );
  if (error === null) return null;
  if (error.code === 'vector-quota') return warn(`reached; ${error.message}`, error.hint);
  if (error.code !== 'vector-denied') return fail(error.message, error.hint.replaceAll('UPSTASH_VECTOR_REST_', prefix));
  return fail(
    'the token may read the index and not write to it, so that no vector could be rebuilt',
    `Set ${prefix}TOKEN to the standard token of the index (Upstash console, Vector), not the read-only one.`,
  );
}

/** The index that a re-index may build beside: its dimensions are those of whatever model is chosen for it. `used`: by the application. */
export function nextIndexCheck(open: () => Ports['vectors'], used: string | null): CheckGroup {
  return [
    {
      name: 'index-next',
      run: async () => {
        const index = open();
        const seen = await index.info().catch((error: unknown) => toAppError(error));
        if (seen instanceof AppError)
          return fail(seen.message, seen.hint.replaceAll('UPSTASH_VECTOR_REST_', 'UPSTASH_VECTOR_NEXT_REST_'));
        if (index.place.index === used) {
          return warn(
            'it is the index that the application uses: what is built in it is not beside',
            'Set UPSTASH_VECTOR_NEXT_REST_URL and _TOKEN to a second index, or build under a suffix: `npx soulcaster-backup reindex --all --into :SUFFIX --env-file .env`.',
          );
        }
        if (seen.metric !== METRIC) {
          return fail(
            `the index compares by ${seen.metric} instead of ${METRIC}`,
            'Make an index with the cosine and set UPSTASH_VECTOR_NEXT_REST_URL and _TOKEN to it.',
          );
        }
        const refused = await tryIndexWrite(index, Object.keys(seen.namespaces), 'UPSTASH_VECTOR_NEXT_REST_');
        return refused ?? ok(`reached and written to; ${seen.dimensions} dimensions, compared by the cosine`);
      },
    },
  ];
}

/** One text is embedded, as a re-index would do it. */
export function embedderChecks(open: () => Ports['embedder']): CheckGroup {
  return [
    {
      name: 'embedder',
      run: async () => {
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

/** Whether the embedder answers and knows key and model. Nothing is embedded. */
export function embedderReachChecks(open: () => Ports['embedder']): CheckGroup {
  return [
    {
      name: 'embedder',
      run: async () => {
        const embedder = open();
        await embedder.reach();
        return ok(`${embedder.model} is known, and the key is accepted`);
      },
    },
  ];
}

/** The application's backend, which is asked after a restore. */
export function backendChecks(open: () => Ports['backend']): CheckGroup {
  return [
    {
      name: 'backend',
      run: async () =>
        (await open().healthy())
          ? ok('GET /health answers that all is well')
          : fail(
              'GET /health does not answer that all is well, or is not the one of Soulcaster’s backend',
              'Check BACKEND_URL: it is the address of the backend, not of the dashboard. Then see the log of the backend.',
            ),
    },
  ];
}

/** Secrets whose form alone can be tried here. `open` throws `config` for one that is none. */
export function formCheck(name: string, open: () => unknown, words: string): CheckGroup {
  return [
    {
      name,
      run: () => {
        open();
        return Promise.resolve(ok(words));
      },
    },
  ];
}

/**
 * A database that restores may be sent to. `primary`: the one that is backed up; null where it is not configured. One
 * database may have two names, so that what is written to the one is looked for in the other.
 */
export function scratchCheck(
  name: string,
  open: () => Ports['redis'],
  primary: () => Ports['redis'] | null,
  isDrill: boolean,
): CheckGroup {
  return [{ name, run: () => tryScratch(name, open(), primary(), isDrill) }];
}

async function tryScratch(
  name: string,
  redis: Ports['redis'],
  primary: Ports['redis'] | null,
  isDrill: boolean,
): Promise<Observation> {
  const prefix = isDrill ? 'DRILL_REDIS_REST_' : `RESTORE_${name.replaceAll('-', '_').toUpperCase()}_REST_`;
  const isProtected = (how: string): Observation =>
    fail(
      `it is the database that is backed up${how}`,
      `${isDrill ? 'Drills wipe it' : 'A restore into it would overwrite what is backed up'}: set ${prefix}URL and ${prefix}TOKEN to a separate database.`,
    );
  if (redis.host === primary?.host) return isProtected(` (${redis.host})`);
  const key = `soulcaster-backup:doctor:${randomUUID()}`;
  try {
    const replies = await redis.pipeline([['DBSIZE'], ['SET', key, '1', 'PX', '10000']]);
    const refused = replies.find((reply) => 'error' in reply);
    if (refused !== undefined && 'error' in refused) {
      return fail(
        `${redis.host} refuses to be written to: ${refused.error.slice(0, 200)}`,
        `Set ${prefix}TOKEN to the standard token of the database, not the read-only one, and see that it is not full.`,
      );
    }
    const seenAt = primary !== null && (await holdsKey(primary, key)) ? primary.host : null;
    await runOne(redis, (sdk) => sdk.del(key));
    if (seenAt !== null) return isProtected(` by another name (${redis.host}, ${seenAt})`);
    const size = replies[0] !== undefined && 'value' in replies[0] ? Number(replies[0].value) : 0;
    if (!isDrill || size === 0) return ok(`${redis.host} is reached and takes writes`);
    return warn(
      `${redis.host} holds ${size} keys, and a drill needs it empty`,
      'Wipe it, or set DRILL_REDIS_REST_URL to a database that is used for nothing else.',
    );
  } catch (error) {
    const { hint, message } = toAppError(error);
    // A hint of the port names the variables of the database that is backed up: here they are others.
    return fail(message, hint.replaceAll('UPSTASH_REDIS_REST_', prefix));
  }
}

const SET_KEYS =
  'Copy QSTASH_CURRENT_SIGNING_KEY and QSTASH_NEXT_SIGNING_KEY from the QStash console, of the region of QSTASH_TOKEN.';

/** Whether the queue's service accepts the token and signs what it delivers with the keys that we check by. */
export function queueChecks(open: () => Queue): CheckGroup {
  return [{ name: 'queue', run: async () => evaluate((await open().health()).signingKeys) }];
}

function evaluate(signingKeys: 'same' | 'stale' | 'different' | 'none'): Observation {
  switch (signingKeys) {
    case 'same':
      return ok('the token is accepted, and the signing keys are those that the service has');
    case 'stale':
      return warn(
        'the signing keys have been rotated; deliveries are still accepted, until the next rotation',
        SET_KEYS,
      );
    case 'different':
      return fail('the signing keys are not those of the service, so that every delivery would be refused', SET_KEYS);
    case 'none':
      return warn('the queue works within this process alone', 'Set QSTASH_TOKEN for runs that outlive a function.');
  }
}
