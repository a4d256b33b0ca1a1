import type { RunView } from '../api/types.js';
import { serverTime, useAppState } from '../state/app-state.js';
import { useNow } from '../state/now.js';
import { duration, progressWords } from '../words/format.js';
import { stepList, waterfall } from '../words/steps.js';
import { Sign } from './badge.js';

/** The steps of an active run: done, under way, not yet. */
export function Steps({ run }: { readonly run: RunView }) {
  return (
    <ol class="steps">
      {stepList(run).map(({ words, state }, index) => (
        <li key={index} class={state} aria-current={state === 'now' ? 'step' : undefined}>
          <Sign tone={state === 'done' ? 'good' : state === 'now' ? 'busy' : 'plain'} />
          <span>
            {words}
            {state === 'now' && `: ${progressWords(run.progress)}`}
          </span>
          <span class="hidden">{state === 'done' ? ', done' : state === 'now' ? ', under way' : ', not yet'}</span>
        </li>
      ))}
    </ol>
  );
}

/** The time that each phase took, as bars on a common time axis. */
export function Waterfall({ run }: { readonly run: RunView }) {
  const { status } = useAppState();
  const now = serverTime(status, useNow());
  const bars = waterfall(run, now);
  if (bars.length === 0) return <p class="empty">The record does not say when its phases began.</p>;
  return (
    <ol class="waterfall">
      {bars.map(({ words, from, share, ms }, index) => (
        <li key={index}>
          <span>{words}</span>
          <span class="meta">{duration(ms)}</span>
          <svg viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true">
            <rect class="track" width="1000" height="8" rx="2" />
            <rect class="bar" x={from * 1000} width={Math.max(4, share * 1000)} height="8" rx="2" />
          </svg>
        </li>
      ))}
    </ol>
  );
}
