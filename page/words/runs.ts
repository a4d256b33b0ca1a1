import { scopeOf, scopeWords } from '../../lib/restore/scope-words.js';
import { fieldsOf } from '../../lib/runs/traits.js';
import type { RunSummary, RunState, RunView } from '../api/types.js';

/** The server's title of a run, capitalized. */
export function titleWords({ title }: Pick<RunSummary, 'title'>): string {
  return `${title.charAt(0).toUpperCase()}${title.slice(1)}`;
}

/**
 * Describes a run so that it can be distinguished from others: `Restore · Acme API · from 24 Nov 02:00 · LIVE`. `nameOf`
 * returns the name of a project, `when` formats an instant.
 */
export function runWords(
  run: Pick<RunSummary, 'title' | 'aim' | 'input'>,
  nameOf: (project: string) => string,
  when: (iso: string) => string,
): string {
  const input = fieldsOf(run.input);
  const scope = scopeOf(input['scope']);
  const time = typeof input['snapshot'] === 'string' ? timeOfId(input['snapshot']) : null;
  return [
    titleWords(run),
    ...(scope === null ? [] : ['project' in scope ? nameOf(scope.project) : scopeWords(scope)]),
    ...(time === null ? [] : [`${scope === null ? 'of' : 'from'} ${when(time)}`]),
    ...(run.aim === null ? [] : [run.aim]),
  ].join(' · ');
}

/** The time in an id, in ISO 8601; null for text that is no id. */
export function timeOfId(id: string): string | null {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-/.exec(id);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second] = match;
  return `${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
}

/** A running run without progress for this long is stalled. */
const STALLED_MS = 20 * 60_000;

export function isOver(state: RunState): boolean {
  return state === 'succeeded' || state === 'incomplete' || state === 'failed';
}

/** The run that a call without an answer started: the newest run that was not known before; null when there is none. */
export function findNewRun(runs: readonly Pick<RunSummary, 'runId'>[], known: ReadonlySet<string>): string | null {
  return runs.find(({ runId }) => !known.has(runId))?.runId ?? null;
}

/** How long a run took, or has been running, in milliseconds. */
export function runTime(run: Pick<RunSummary, 'createdAt' | 'finishedAt'>, now: number): number {
  const end = run.finishedAt === null ? now : Date.parse(run.finishedAt);
  return Math.max(0, end - Date.parse(run.createdAt));
}

/** How long a running run has made no progress, in milliseconds; null while that is normal. */
export function stalledTime(
  { createdAt, progressedAt, state }: Pick<RunSummary, 'createdAt' | 'progressedAt' | 'state'>,
  now: number,
): number | null {
  if (state !== 'running') return null;
  const still = now - Date.parse(progressedAt ?? createdAt);
  return still >= STALLED_MS ? still : null;
}

/** Milliseconds until a phase is done, extrapolated from its progress in the last `sinceMs`; null when that is not possible. */
export function timeLeft({ done, total }: RunSummary['progress'], sinceMs: number): number | null {
  if (total === null || total <= 0 || done <= 0 || done >= total || sinceMs < 3000) return null;
  return (sinceMs / done) * (total - done);
}

interface StepState {
  readonly words: string;
  readonly state: 'done' | 'now' | 'later';
}

type Stepped = Pick<RunView, 'phase' | 'phases' | 'steps' | 'doing'>;

/**
 * The steps of a run in the words of its definition: those it has reached, then those that may follow. Steps with the same
 * words are listed once.
 */
export function stepList({ doing, phase, phases, steps }: Stepped): StepState[] {
  const wordsOf = (name: string): string => steps.find((step) => step.phase === name)?.words ?? name;
  const at = steps.findIndex((step) => step.phase === phase);
  const past =
    phases.length > 0 ? phases.map((each) => each.phase) : steps.slice(0, Math.max(at, 0)).map((step) => step.phase);
  const done = unique(past.filter((name) => name !== phase).map(wordsOf));
  const now = doing === '' ? wordsOf(phase) : doing;
  const later = unique(steps.slice(at + 1).map(({ words }) => words));
  return [
    ...done.filter((words) => words !== now).map((words) => ({ words, state: 'done' as const })),
    { words: now, state: 'now' },
    ...later
      .filter((words) => words !== now && !done.includes(words))
      .map((words) => ({ words, state: 'later' as const })),
  ];
}

function unique(words: readonly string[]): string[] {
  return [...new Set(words)];
}

interface Bar {
  readonly words: string;
  /** Start and length, as fractions of the whole time. */
  readonly from: number;
  readonly share: number;
  readonly ms: number;
}

type Timed = Pick<RunView, 'phases' | 'steps' | 'createdAt' | 'finishedAt' | 'result'>;

/** The phases of a run over time; empty when the record has no start times. */
export function waterfall(run: Timed, now: number): Bar[] {
  const wordsOf = (name: string): string => run.steps.find((step) => step.phase === name)?.words ?? name;
  const spans = spansOf(run, now);
  const first = spans[0]?.from ?? 0;
  const whole = Math.max(1, (spans.at(-1)?.to ?? 0) - first);
  return spans.map(({ from, phase, to }) => {
    return { words: wordsOf(phase), from: (from - first) / whole, share: (to - from) / whole, ms: to - from };
  });
}

interface Span {
  readonly phase: string;
  readonly from: number;
  readonly to: number;
}

function spansOf({ createdAt, finishedAt, phases, result }: Timed, now: number): Span[] {
  const end = finishedAt === null ? now : Date.parse(finishedAt);
  if (phases.length > 0) {
    const starts = phases.map(({ at }) => Date.parse(at));
    return phases.map(({ phase }, at) => ({
      phase,
      from: starts[at] ?? end,
      to: Math.max(starts[at] ?? end, starts[at + 1] ?? end),
    }));
  }
  // Runs of older versions: the result of a restore has the duration of each phase.
  let from = Date.parse(createdAt);
  return Object.entries(fieldsOf(fieldsOf(result)['phases'])).flatMap(([phase, ms]) => {
    if (typeof ms !== 'number') return [];
    const span = { phase, from, to: from + ms };
    from += ms;
    return [span];
  });
}
