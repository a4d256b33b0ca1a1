import type { RunView } from '../api/types.js';
import { fieldsOf } from '../../lib/runs/traits.js';

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
