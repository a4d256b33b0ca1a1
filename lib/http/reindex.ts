import { z } from 'zod';
import type { FullApp } from '../app/app.js';
import { environment, loadConfig } from '../app/config.js';
import { AppError } from '../errors.js';
import type { ReindexPorts } from '../reindex/context.js';
import { besideSchema, REINDEX_MODES, reindexScopeSchema, SUFFIX_WORDS, type ReindexInput } from '../reindex/model.js';
import { prepareReindex, retryInput, startReindex, type ReindexRequest } from '../reindex/start.js';
import type { Budget } from '../runs/attempt.js';
import { flagField, oneOf, parseBody, readBody } from './requests.js';
import { answerStarted, lockedError } from './run-view.js';

const BODY_LIMIT = 16 * 1024;

/** Body of a re-index. Errors quote the description of an invalid field. */
const reindexBodySchema = z
  .strictObject({
    scope: reindexScopeSchema
      .optional()
      .describe('{"all": true}, {"project": id}, {"projects": [id]} or {"items": [{"project": id, "id": id}]}'),
    mode: z.enum(REINDEX_MODES).optional().describe(oneOf(REINDEX_MODES)),
    dryRun: flagField(),
    beside: besideSchema
      .nullable()
      .default(null)
      .describe(`{"index": "same" or "next", "suffix": text}; the suffix ${SUFFIX_WORDS}`),
    model: z.string().min(1).max(128).nullable().default(null).describe('the name of a model, with beside'),
    dimensions: z.number().int().min(128).max(3072).nullable().default(null).describe('128 to 3072, with beside'),
    dropOld: flagField().describe('true or false, and goes without mode: nothing is embedded'),
    confirm: z.string().max(64).nullable().default(null).describe('with dropOld: the suffix, or "next" without one'),
    retry: z
      .string()
      .max(64)
      .nullable()
      .default(null)
      .describe('the id of a run, and goes with dryRun and yesOverDays alone: the run has the rest'),
    yesOverDays: flagField().describe('true or false, and goes with mode "flush" or a run that is done again'),
  })
  .refine(({ retry, scope }) => (retry === null) !== (scope === undefined), { path: ['scope'] })
  .refine(
    ({ beside, dimensions, dropOld, mode, model, retry }) =>
      retry === null || (mode === undefined && !dropOld && [beside, dimensions, model].every((each) => each === null)),
    { path: ['retry'] },
  )
  .refine(({ dropOld, mode }) => !dropOld || mode === undefined, { path: ['dropOld'] })
  .refine(({ mode, retry, yesOverDays }) => !yesOverDays || mode === 'flush' || retry !== null, {
    path: ['yesOverDays'],
  })
  .refine(({ confirm, dropOld }) => dropOld || confirm === null, { path: ['confirm'] })
  .refine(({ beside }) => beside === null || beside.index === 'next' || beside.suffix !== '', { path: ['beside'] });
type Body = z.infer<typeof reindexBodySchema>;
/** Body of `POST /api/reindex`. */
export type ReindexOrder = z.input<typeof reindexBodySchema>;

/** The parts of the app that the call needs. */
type Runner = Pick<FullApp, 'engine' | 'queued' | 'work' | 'reindex'>;

/** POST /api/reindex: rebuilds the vector index for an operator. Checks that the run is possible before changing anything. */
export async function adminReindex(app: Runner, request: Request, budget: Budget): Promise<Response> {
  const body = parseBody(await readBody(request, BODY_LIMIT), reindexBodySchema);
  const ports = requirePorts(app);
  assertConfirmed(body);
  const prepared = await prepareReindex(ports, await requestOf(ports, body), body);
  const started = await startReindex(app.engine, prepared);
  if (!started.started) throw lockedError(started, 're-indexing');
  return answerStarted(app, started.run, budget, startedFields(prepared.input));
}

async function requestOf(ports: ReindexPorts, body: Body): Promise<ReindexRequest> {
  const { beside, dropOld, dryRun, mode = 'in-place', retry, scope, yesOverDays: overDays } = body;
  if (retry !== null) return { ...(await retryInput(ports, retry, 'admin')), dryRun, overDays };
  return { scope: scope ?? { all: true }, mode, dryRun, trigger: 'admin', beside, dropOld, overDays };
}

/** What the answer contains besides the started run. */
function startedFields({ beside, dropOld, dryRun, mode, recipe, retry, scope }: ReindexInput) {
  return { scope, mode, dryRun, beside, dropOld, retry, model: recipe?.model ?? null };
}

/** Throws `not-confirmed` for a removal that was not confirmed by name. */
function assertConfirmed({ beside, confirm, dropOld, dryRun }: Body): void {
  if (!dropOld || dryRun || beside === null) return;
  const name = beside.suffix === '' ? beside.index : beside.suffix;
  if (confirm === name) return;
  throw new AppError('not-confirmed', 'Removing the old vectors cannot be undone and must be confirmed', {
    hint: `Give "confirm": ${JSON.stringify(name)}. Nothing was changed.`,
  });
}

/** Throws `config` with the variables that are missing. */
function requirePorts({ reindex }: Runner): ReindexPorts {
  if (reindex !== null) return reindex;
  loadConfig(environment(), ['vector', 'embedder']);
  throw new AppError('config', 'The vector index is not connected', {
    hint: 'Set UPSTASH_VECTOR_REST_URL, UPSTASH_VECTOR_REST_TOKEN and the key of the embedder in the project and deploy again.',
  });
}
