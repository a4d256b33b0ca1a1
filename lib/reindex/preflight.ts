import { AppError } from '../errors.js';
import { alone, type Attempt, type StepOutcome } from '../runs/model.js';
import { runOne } from '../redis/run-one.js';
import { answerOf } from './run-commands.js';
import { enter, inputOf, stateOf } from './checkpoint.js';
import type { ReindexPorts, ReindexSettings } from './context.js';
import { isTooMany, openEmbedding, TRIAL } from './embed/vectors.js';
import { canBeProject } from './keys.js';
import { projectsIn, type ReindexScope } from './model.js';

/** The application compares by the cosine, and its threshold means that alone. */
const METRIC = 'COSINE';

/**
 * Proves that everything is there before anything is cleared: the index with its dimension, the database with the
 * scope in it, and the embedder with a vector that can be used.
 */
export async function preflightStep(
  ports: ReindexPorts,
  settings: ReindexSettings,
  attempt: Attempt,
): Promise<StepOutcome> {
  await demandFit(ports, settings.dimensions);
  const { dropOld, dryRun, scope } = inputOf(attempt.run);
  await demandScope(ports, scope);
  const embedding = openEmbedding(ports, settings, attempt.signal, alone);
  // To remove old vectors takes no embedder.
  if (!dropOld) {
    try {
      const [vector] = await embedding.embed([TRIAL]);
      if (vector === undefined || typeof vector === 'string')
        throw unusable(ports, settings, vector ?? 'bad-embedding');
    } catch (error) {
      // An embedder that refuses by its limits answers, which is all that a dry run needs.
      if (!dryRun || !isTooMany(error)) throw error;
    }
  }
  const state = stateOf(attempt.run);
  return enter('scan', { ...state, spent: embedding.spent() }, 0, ports.clock.now());
}

/** Throws `vector-mismatch` unless the index takes vectors of this dimension and compares them as the application does. */
export async function demandFit({ vectors }: Pick<ReindexPorts, 'vectors'>, wanted: number): Promise<void> {
  const { dimensions, metric } = await vectors.info();
  if (dimensions !== wanted) {
    throw new AppError('vector-mismatch', `The vector index has ${dimensions} dimensions, the embeddings ${wanted}`, {
      hint: 'Set EMBEDDING_DIMENSIONS and EMBEDDING_MODEL to what the application uses, or create the index again with that dimension.',
    });
  }
  if (metric === METRIC) return;
  throw new AppError('vector-mismatch', `The vector index compares by ${metric} instead of ${METRIC}`, {
    hint: 'Make an index with the cosine as its similarity function and set UPSTASH_VECTOR_REST_URL to it.',
  });
}

/**
 * Throws `not-found` for a project that is neither in the database nor in the index, which may still hold vectors of one
 * that was deleted; asks the database something in any case.
 */
export async function demandScope(
  { redis, vectors }: Pick<ReindexPorts, 'redis' | 'vectors'>,
  scope: ReindexScope,
): Promise<void> {
  const projects = projectsIn(scope);
  if (projects === null) {
    answerOf('DBSIZE', await runOne(redis, (sdk) => sdk.dbsize()));
    return;
  }
  for (const project of projects) {
    if (!canBeProject(project)) throw noProject(project);
    const keys = [`project:${project}`, `feedback:created:${project}`, `clusters:${project}:all`];
    if (answerOf('EXISTS', await runOne(redis, (sdk) => sdk.exists(...keys))) !== 0) continue;
    const { pending = 0, vectors: stored = 0 } = (await vectors.info()).namespaces[project] ?? {};
    if (stored + pending === 0) throw noProject(project);
  }
}

function noProject(project: string): AppError {
  return new AppError('not-found', `There is no project ${JSON.stringify(project.slice(0, 64))} in the database, and no vector of it in the index`, {
    hint: 'Check the id: it is what stands after `project:` in the key of the project.',
  });
}

function unusable(ports: ReindexPorts, { dimensions }: ReindexSettings, why: string): AppError {
  const what =
    why === 'refused' ? 'refuses every text' : `gives no usable vectors of ${dimensions} dimensions for a plain text`;
  return new AppError('embedder-refused', `The embedder with model ${ports.embedder.model} ${what}`, {
    hint: 'Check EMBEDDING_MODEL, EMBEDDING_DIMENSIONS and GEMINI_BASE_URL. Nothing was changed.',
  });
}
