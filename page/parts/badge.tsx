import type { ComponentChildren } from 'preact';
import type { Tone } from '../words/labels.js';

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
