import { AppError } from '../errors.js';
import { RUN_KINDS } from '../run-kinds.js';
import { cancelRun } from '../runs/engine.js';
import { isId, isCalendarDate, stampOf } from '../runs/ids.js';
import { viewRun, withTasksDone, runSummary, type RunSummary } from '../runs/summary.js';
import { RUN_STATES } from '../runs/model.js';
import { pageOfRuns } from '../runs/recent.js';
import type { RunTraits } from '../runs/traits.js';
import { assertNoBody, assertKnownParameters, parseNumber, segmentAfter } from './requests.js';
import type { Action, ViewPorts } from './entry.js';
import { json } from './responses.js';
import { runView } from './run-view.js';

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;

/** `GET /api/runs`, newest first; `next` is the `before` of the next page. */
export interface RunPage {
  readonly runs: readonly RunSummary[];
  readonly next: string | null;
  /** Valid values of `kind`, each with a heading. */
  readonly kinds: readonly Pick<RunTraits, 'kind' | 'plural'>[];
}

/** GET /api/runs: a page of summaries of runs, newest first. */
export async function showRuns({ store }: ViewPorts, request: Request): Promise<Response> {
  const { searchParams } = new URL(request.url);
  assertKnownParameters(searchParams, ['before', 'limit'], ['kind', 'state', 'project']);
  const { next, runs } = await pageOfRuns(store, {
    kinds: parseChoices(
      searchParams,
      'kind',
      RUN_KINDS.map(({ kind }) => kind),
    ),
    states: parseChoices(searchParams, 'state', RUN_STATES),
    projects: searchParams.getAll('project'),
    before: parseBefore(searchParams),
    limit: parseNumber(searchParams, 'limit', DEFAULT_LIMIT, MAX_LIMIT),
  });
  const current = await Promise.all(runs.map((run) => withTasksDone(store, run)));
  const kinds = RUN_KINDS.map(({ kind, plural }) => ({ kind, plural }));
  const page: RunPage = { runs: current.map(runSummary), next, kinds };
  return json(200, page);
}

function parseChoices<W extends string>(params: URLSearchParams, name: string, known: readonly W[]): W[] {
  return params.getAll(name).map((text) => {
    const word = known.find((each) => each === text);
    if (word !== undefined) return word;
    throw new AppError('invalid', `There is no ${name} ${JSON.stringify(text.slice(0, 40))} of a run`, {
      hint: `Give one of ${known.join(', ')}; give several as ${name}=A&${name}=B.`,
    });
  });
}

/** The start of an id: ids of earlier runs sort before it. */
function parseBefore(params: URLSearchParams): string | null {
  const [text, ...others] = params.getAll('before');
  if (text === undefined) return null;
  if (isId(text) && others.length === 0) return text;
  const time = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text) && isCalendarDate(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time) && others.length === 0) return stampOf(time);
  throw new AppError('invalid', 'before is neither the id of a run nor a time', {
    hint: 'Give the `next` of the page before, or a time such as 2026-12-01T00:00:00Z.',
  });
}

/** GET /api/runs/{id}: the progress of a run, or how it ended. */
export async function showRun(ports: ViewPorts, request: Request): Promise<Response> {
  assertKnownParameters(new URL(request.url).searchParams);
  return json(200, runView(await viewRun(ports.store, segmentAfter('runs', request))));
}

/** POST /api/runs/{id}/cancel: ends a run now; a run that is over does not change. */
export const adminCancel: Action = async (app, request) => {
  await assertNoBody(request);
  return json(200, runView(await cancelRun(app.engine, segmentAfter('runs', request))));
};
