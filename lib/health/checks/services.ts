import { randomUUID } from 'node:crypto';
import { AppError, toAppError } from '../../errors.js';
import type { Ports } from '../../ports/index.js';
import { holdsKey, runOne } from '../../redis/run-one.js';
import { groupOf, fail, ok, warn, type CheckGroup, type Observation } from '../doctor.js';
import type { Queue } from '../../ports/queue.js';

const METRIC = 'COSINE';

interface IndexExpectations {
  readonly dimensions: () => number;
  /** A problem with vectors of another model than the configured one; null if there is none. */
  readonly other: () => Promise<{ readonly message: string; readonly hint: string } | null>;
  /** Whether to try a write, too, which counts towards the plan's daily limit. */
  readonly writes: boolean;
}

/** Checks the index that re-indexing writes to: reachable, with the dimension of the embeddings, and the cosine metric. */
export function indexChecks(
  open: () => Ports['vectors'],
  { dimensions, other, writes }: IndexExpectations,
): CheckGroup {
  return groupOf('index', async () => {
    const index = open();
    const { dimensions: has, metric, namespaces } = await index.info();
    const wanted = dimensions();
    if (has !== wanted) {
      return fail(
        `the index has ${has} dimensions, the embeddings have ${wanted}`,
        'Set EMBEDDING_DIMENSIONS and EMBEDDING_MODEL to what the application uses, or create an index of that dimension.',
      );
    }
    if (metric !== METRIC) {
      return fail(
        `the index has the metric ${metric} instead of ${METRIC}`,
        'Create an index with the metric COSINE and set UPSTASH_VECTOR_REST_URL and _TOKEN to it.',
      );
    }
    const mixed = await other();
    if (mixed !== null) return fail(mixed.message, mixed.hint);
    const refused = writes ? await tryIndexWrite(index, Object.keys(namespaces)) : null;
    return (
      refused ?? ok(`the index answers${writes ? ' and accepts writes' : ''}; ${has} dimensions, metric ${METRIC}`)
    );
  });
}

/** Removes a missing vector, which a read-only token may not do. Null if the write is allowed. */
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
  if (error.code === 'vector-quota') return warn(`the index answers; ${error.message}`, error.hint);
  if (error.code !== 'vector-denied') return fail(error.message, error.hint.replaceAll('UPSTASH_VECTOR_REST_', prefix));
  return fail(
    'the token may read the index but not write to it: vectors could not be rebuilt',
    `Set ${prefix}TOKEN to the standard token of the index (Upstash console, Vector), not the read-only one.`,
  );
}

/** Checks the second index, for building vectors beside. Its dimensions depend on the model chosen. `used`: the application's index. */
export function nextIndexCheck(open: () => Ports['vectors'], used: string | null): CheckGroup {
  return groupOf('index-next', async () => {
    const index = open();
    const info = await index.info().catch((error: unknown) => toAppError(error));
    if (info instanceof AppError)
      return fail(info.message, info.hint.replaceAll('UPSTASH_VECTOR_REST_', 'UPSTASH_VECTOR_NEXT_REST_'));
    if (index.place.index === used) {
      return warn(
        'it is the index that the application uses: vectors would not be built beside it',
        'Set UPSTASH_VECTOR_NEXT_REST_URL and _TOKEN to a second index, or build under a suffix: `npx soulcaster-backup reindex --all --into :SUFFIX --env-file .env`.',
      );
    }
    if (info.metric !== METRIC) {
      return fail(
        `the index has the metric ${info.metric} instead of ${METRIC}`,
        'Create an index with the metric COSINE and set UPSTASH_VECTOR_NEXT_REST_URL and _TOKEN to it.',
      );
    }
    const refused = await tryIndexWrite(index, Object.keys(info.namespaces), 'UPSTASH_VECTOR_NEXT_REST_');
    return refused ?? ok(`the index answers and accepts writes; ${info.dimensions} dimensions, metric ${METRIC}`);
  });
}

/** Embeds one text, as a re-index would. */
export function embedderChecks(open: () => Ports['embedder']): CheckGroup {
  return groupOf('embedder', async () => {
    const embedder = open();
    const [vector] = await embedder.embed(['A short text to see whether texts can be embedded.']);
    const length = vector?.length ?? 0;
    if (length === embedder.dimensions) return ok(`${embedder.model} embedded a text in ${length} dimensions`);
    return fail(
      `${embedder.model} gives ${length} dimensions, not ${embedder.dimensions}`,
      'Set EMBEDDING_DIMENSIONS to the number that the application uses and that the model supports.',
    );
  });
}

/** Checks that the embedder answers and accepts key and model. Embeds nothing. */
export function embedderReachChecks(open: () => Ports['embedder']): CheckGroup {
  return groupOf('embedder', async () => {
    const embedder = open();
    await embedder.reach();
    return ok(`${embedder.model} is known, and the key is accepted`);
  });
}

/** Checks the application's backend, which is called after a restore. */
export function backendChecks(open: () => Ports['backend']): CheckGroup {
  return groupOf('backend', async () =>
    (await open().healthy())
      ? ok('GET /health reports that the backend is healthy')
      : fail(
          'GET /health does not report that the backend is healthy, or is not Soulcaster’s backend',
          'Check BACKEND_URL: it must be the address of the backend, not of the dashboard. Then see the log of the backend.',
        ),
  );
}

/** For secrets of which only the form can be checked here. `open` throws `config` for an invalid one. */
export function formCheck(name: string, open: () => unknown, words: string): CheckGroup {
  return groupOf(name, () => {
    open();
    return Promise.resolve(ok(words));
  });
}

/**
 * Checks a database that restores may write to. `primary`: the database that is backed up; null if not configured. A database
 * may have two names, so a key written to one is searched for in the other.
 */
export function scratchCheck(
  name: string,
  open: () => Ports['redis'],
  primary: () => Ports['redis'] | null,
  isDrill: boolean,
): CheckGroup {
  return groupOf(name, () => tryScratch(name, open(), primary(), isDrill));
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
      `${isDrill ? 'Drills wipe it' : 'A restore into it would overwrite the data that is backed up'}: set ${prefix}URL and ${prefix}TOKEN to a separate database.`,
    );
  if (redis.host === primary?.host) return isProtected(` (${redis.host})`);
  const key = `soulcaster-backup:doctor:${randomUUID()}`;
  try {
    const replies = await redis.pipeline([['DBSIZE'], ['SET', key, '1', 'PX', '10000']]);
    const refused = replies.find((reply) => 'error' in reply);
    if (refused !== undefined && 'error' in refused) {
      return fail(
        `${redis.host} refuses writes: ${refused.error.slice(0, 200)}`,
        `Set ${prefix}TOKEN to the standard token of the database, not the read-only one, and make sure that it is not full.`,
      );
    }
    const isSeen = primary === null ? null : await holdsKey(primary, key);
    await runOne(redis, (sdk) => sdk.del(key));
    if (isSeen === true) return isProtected(` by another name (${redis.host}, ${primary?.host ?? ''})`);
    const size = replies[0] !== undefined && 'value' in replies[0] ? Number(replies[0].value) : 0;
    if (!isDrill || size === 0) return ok(`${redis.host} answers and accepts writes`);
    return warn(
      `${redis.host} holds ${size} keys, but a drill needs an empty database`,
      isSeen === null
        ? 'It is not known whether it is the database that is backed up, which is not configured here or does not answer: do not empty it before doctor has told the two apart, or set DRILL_REDIS_REST_URL to a database that is used for nothing else.'
        : 'Empty it, or set DRILL_REDIS_REST_URL to a database that is used for nothing else.',
    );
  } catch (error) {
    const { hint, message } = toAppError(error);
    // The port's hints name the variables of the database that is backed up, which differ here.
    return fail(message, hint.replaceAll('UPSTASH_REDIS_REST_', prefix));
  }
}

const SET_KEYS =
  'Copy QSTASH_CURRENT_SIGNING_KEY and QSTASH_NEXT_SIGNING_KEY from the QStash console, of the region of QSTASH_TOKEN.';

/** Checks that the queue accepts the token and signs deliveries with the configured keys. */
export function queueChecks(open: () => Queue): CheckGroup {
  return groupOf('queue', async () => evaluateSigningKeys((await open().health()).signingKeys));
}

function evaluateSigningKeys(signingKeys: 'same' | 'stale' | 'different' | 'none'): Observation {
  switch (signingKeys) {
    case 'same':
      return ok('the token is accepted, and the signing keys match those of the service');
    case 'stale':
      return warn(
        'the signing keys have been rotated; deliveries are still accepted, until the next rotation',
        SET_KEYS,
      );
    case 'different':
      return fail('the signing keys do not match those of the service: every delivery would be refused', SET_KEYS);
    case 'none':
      return warn('the queue works only within this process', 'Set QSTASH_TOKEN for runs that outlive a function.');
  }
}
