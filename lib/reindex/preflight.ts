import { AppError } from '../errors.js';
import { runOne } from '../redis/run-one.js';
import { runDirectly, type StepOutcome } from '../runs/model.js';
import { enterPhase, inputOf, stateOf } from './checkpoint.js';
import type { ReindexPorts, ReindexSettings, StepContext } from './context.js';
import { answerOf, canBeProject } from './database.js';
import { projectsIn, type ReindexScope } from './model.js';
import { isLimitError, openEmbedding, PROBE_TEXT } from './vectors.js';

/** The application compares by cosine, and its threshold is only valid for cosine. */
const METRIC = 'COSINE';

/**
 * Checks everything before anything is cleared: that the index has the right dimension, that the database contains the
 * scope, and that the embedder returns a usable vector.
 */
export async function preflightStep({ ports, settings, attempt }: StepContext): Promise<StepOutcome> {
  await assertIndexFits(ports, settings.dimensions);
  const { dropOld, dryRun, scope } = inputOf(attempt.run);
  await assertScopeExists(ports, scope);
  const embedding = openEmbedding(ports, settings, attempt.signal, runDirectly);
  // Removing old vectors needs no embedder.
  if (!dropOld) {
    try {
      const [vector] = await embedding.embed([PROBE_TEXT]);
      if (vector === undefined || typeof vector === 'string')
        throw unusableEmbedderError(ports, settings, vector ?? 'bad-embedding');
    } catch (error) {
      // An embedder that has reached a limit is reachable, which is all that a dry run needs.
      if (!dryRun || !isLimitError(error)) throw error;
    }
  }
  const state = stateOf(attempt.run);
  return enterPhase('scan', { ...state, spent: embedding.spent() }, 0, ports.clock.now());
}

/** Throws `vector-mismatch` unless the index has this dimension and the metric of the application. */
export async function assertIndexFits({ vectors }: Pick<ReindexPorts, 'vectors'>, wanted: number): Promise<void> {
  const { dimensions, metric } = await vectors.info();
  if (dimensions !== wanted) {
    throw new AppError(
      'vector-mismatch',
      `The vector index has ${dimensions} dimensions, but the embeddings have ${wanted}`,
      {
        hint: 'Set EMBEDDING_DIMENSIONS and EMBEDDING_MODEL to the values that the application uses, or create the index again with that dimension.',
      },
    );
  }
  if (metric === METRIC) return;
  throw new AppError('vector-mismatch', `The vector index compares by ${metric} instead of ${METRIC}`, {
    hint: 'Create an index with cosine as its similarity function, and set UPSTASH_VECTOR_REST_URL and UPSTASH_VECTOR_REST_TOKEN to it.',
  });
}

/**
 * Throws `not-found` for a project that is neither in the database nor in the index, which may still hold vectors of a
 * deleted project. Sends the database a command in any case.
 */
export async function assertScopeExists(
  { redis, vectors }: Pick<ReindexPorts, 'redis' | 'vectors'>,
  scope: ReindexScope,
): Promise<void> {
  const projects = projectsIn(scope);
  if (projects === null) {
    answerOf('DBSIZE', await runOne(redis, (sdk) => sdk.dbsize()));
    return;
  }
  for (const project of projects) {
    if (!canBeProject(project)) throw projectNotFoundError(project);
    const keys = [`project:${project}`, `feedback:created:${project}`, `clusters:${project}:all`];
    if (answerOf('EXISTS', await runOne(redis, (sdk) => sdk.exists(...keys))) !== 0) continue;
    const { pending = 0, vectors: stored = 0 } = (await vectors.info()).namespaces[project] ?? {};
    if (stored + pending === 0) throw projectNotFoundError(project);
  }
}

function projectNotFoundError(project: string): AppError {
  const name = JSON.stringify(project.slice(0, 64));
  return new AppError('not-found', `There is no project ${name} in the database, and no vector of it in the index`, {
    hint: 'Check the id: it is the part after `project:` in the key of the project.',
  });
}

function unusableEmbedderError(ports: ReindexPorts, { dimensions }: ReindexSettings, why: string): AppError {
  const what =
    why === 'refused' ? 'refuses every text' : `returns no usable vector of ${dimensions} dimensions for a plain text`;
  return new AppError('embedder-refused', `The embedder with model ${ports.embedder.model} ${what}`, {
    hint: 'Check EMBEDDING_MODEL, EMBEDDING_DIMENSIONS and GEMINI_BASE_URL. Nothing was changed.',
  });
}
