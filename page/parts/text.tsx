import type { ComponentChildren } from 'preact';
import { useContext, useRef, useState } from 'preact/hooks';
import type { Tone } from '../words/labels.js';
import { AppStateContext, serverTime, useAppState, projectName } from '../state/app-state.js';
import { formatInstant, formatAge } from '../words/format.js';
import { useNow } from '../state/use-feed.js';
import type { RunSummary } from '../api/types.js';
import { address } from '../words/address.js';
import { runWords } from '../words/runs.js';

export const SIGNS: Readonly<Record<Tone, string>> = { good: '✓', warn: '!', bad: '✕', busy: '…', plain: '–' };

/** A state as a sign and a word, so that it is readable without colour. */
export function Badge({ tone, children }: { readonly tone: Tone; readonly children: ComponentChildren }) {
  return (
    <span class={`badge ${tone}`}>
      <Sign tone={tone} />
      {children}
    </span>
  );
}

export function Sign({ tone }: { readonly tone: Tone }) {
  return (
    <span class={`sign ${tone}`} aria-hidden="true">
      {SIGNS[tone]}
    </span>
  );
}

/** Special parts of the server's texts: commands and names in backticks, and instants in ISO 8601. */
const PIECES = /`([^`]*)`|(\d{4}-\d\d-\d\dT\d\d:\d\d:[\d.]+Z)/;

/** A text of the server, with its instants in the chosen time zone. */
export function Words({ text }: { readonly text: string }) {
  // The sign-in form has no app state.
  const zone = useContext(AppStateContext)?.zone;
  // The pieces repeat in threes: plain text, a command, an instant.
  return (
    <>
      {text.split(PIECES).map((piece: string | undefined, index) => {
        if (piece === undefined) return null;
        if (index % 3 === 1) return <code key={index}>{piece}</code>;
        if (index % 3 === 2) return <time dateTime={piece}>{formatInstant(piece, zone)}</time>;
        return piece;
      })}
    </>
  );
}

/** An instant in the chosen time zone and, unless `plain`, its age by the server's clock. */
export function Time({ at, plain = false }: { readonly at: string; readonly plain?: boolean }) {
  const { status, zone } = useAppState();
  const now = useNow(5000);
  const then = Date.parse(at);
  if (Number.isNaN(then)) return <span>{at}</span>;
  const time = <time dateTime={at}>{formatInstant(at, zone)}</time>;
  if (plain) return time;
  const age = serverTime(status, now) - then;
  return (
    <>
      {time}{' '}
      <span class="meta nowrap">({age < -5000 ? `in ${formatAge(-age).replace(' ago', '')}` : formatAge(age)})</span>
    </>
  );
}

/** The description of a run, as a link to its view. */
export function RunName({ run }: { readonly run: Pick<RunSummary, 'runId' | 'title' | 'aim' | 'input'> }) {
  return (
    <a class="name" href={address(['runs', run.runId])}>
      <RunWords run={run} />
    </a>
  );
}

export function RunWords({ run }: { readonly run: Pick<RunSummary, 'title' | 'aim' | 'input'> }) {
  const { projects, zone } = useAppState();
  return (
    <bdi>
      {runWords(
        run,
        (id) => projectName(projects, id),
        (iso) => formatInstant(iso, zone),
      )}
    </bdi>
  );
}

/** The name of a project, shown as text whatever it contains, as a link to its view. */
export function ProjectLink({ id }: { readonly id: string }) {
  const { projects } = useAppState();
  return (
    <a class="name" href={address(['projects', id])}>
      <bdi>{projectName(projects, id)}</bdi>
    </a>
  );
}

/** Names and values. */
export type Fact = readonly [name: string, value: ComponentChildren];

export function Facts({ facts }: { readonly facts: readonly Fact[] }) {
  if (facts.length === 0) return null;
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

interface ProblemProps {
  readonly title: string;
  readonly error: { readonly message: string; readonly hint: string; readonly code: string };
  /** Retries the call; without it there is no button. */
  readonly onRetry?: () => void;
}

/** An error: what happened and what to do. Screen readers announce it at once. */
export function Problem({ title, error, onRetry }: ProblemProps) {
  return (
    <div class="problem" role="alert">
      <p class="problem-title">
        <Sign tone="bad" /> {title}
      </p>
      <p>
        <Words text={error.message} /> <code>{error.code}</code>
      </p>
      {error.hint !== '' && (
        <p class="hint">
          <Words text={error.hint} />
        </p>
      )}
      {onRetry !== undefined && (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** The equivalent command line, with a button that copies it. */
export function Command({ line }: { readonly line: string }) {
  const text = useRef<HTMLElement>(null);
  const [said, setSaid] = useState('');
  const copy = (): void => {
    navigator.clipboard.writeText(line).then(
      () => setSaid('Copied'),
      () => {
        // Without access to the clipboard the text is selected.
        if (text.current !== null) getSelection()?.selectAllChildren(text.current);
        setSaid('Selected: copy it with the keyboard');
      },
    );
  };
  return (
    <div class="command">
      <p class="label">The same from a terminal</p>
      <div class="command-line">
        <code ref={text}>{line}</code>
        <button type="button" class="quiet" onClick={copy}>
          Copy <span class="hidden">the command</span>
        </button>
      </div>
      <p class="hint" role="status">
        {said}
      </p>
    </div>
  );
}
