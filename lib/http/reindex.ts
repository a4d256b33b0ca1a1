import { z } from 'zod';
import type { FullApp } from '../app.js';
import { environment, loadConfig } from '../config.js';
import { AppError } from '../errors.js';
import type { ReindexPorts } from '../reindex/context.js';
import { REINDEX_MODES, reindexScopeSchema } from '../reindex/model.js';
import { prepareReindex, startReindex } from '../reindex/start.js';
import type { Budget } from '../runs/leg.js';
import { parseBody, readBody } from './body.js';
import { answerStarted, lockedBy } from './started.js';

const BODY_LIMIT = 16 * 1024;

/** What a re-index is asked with. Each description says what its field must be, in the words that answer a wrong one. */
export const reindexBodySchema = z.strictObject({
  scope: reindexScopeSchema.describe('{"all": true} or {"project": id}'),
  mode: z
    .enum(REINDEX_MODES)
    .default('in-place')
    .describe(REINDEX_MODES.map((mode) => JSON.stringify(mode)).join(' or ')),
  dryRun: z.boolean().default(false).describe('true or false'),
});

/** As much of the program as the call needs. */
type Runner = Pick<FullApp, 'engine' | 'queued' | 'work' | 'reindex'>;

/** POST /api/reindex: rebuilds the vector index for an operator. Nothing is touched before it is certain that it can be. */
export async function adminReindex(app: Runner, request: Request, budget: Budget): Promise<Response> {
  const body = parseBody(await readBody(request, BODY_LIMIT), reindexBodySchema);
  const prepared = await prepareReindex(configured(app), { ...body, trigger: 'admin' });
  const started = await startReindex(app.engine, prepared);
  if (!started.started) throw lockedBy(started, 're-indexing');
  return answerStarted(app, started.run, budget, body);
}

/** Throws `config` with the variables that are missing. */
function configured({ reindex }: Runner): ReindexPorts {
  if (reindex !== null) return reindex;
  loadConfig(environment(), ['vector', 'embedder']);
  throw new AppError('config', 'The vector index is not connected', {
    hint: 'Set UPSTASH_VECTOR_REST_URL, UPSTASH_VECTOR_REST_TOKEN and GEMINI_API_KEY in the project and deploy again.',
  });
}
