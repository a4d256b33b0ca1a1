import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';
import { Problem } from '../parts/problem.js';
import { isStale, type Feed } from '../state/feed.js';
import { useNow } from '../state/now.js';
import { ago } from '../words/format.js';

interface Props<T> {
  readonly title: string;
  readonly name: string;
  readonly feed: Feed<T>;
  /** How often the feed is asked, in milliseconds: what is much older is called stale. */
  readonly everyMs: number;
  readonly onRetry: () => void;
  /** Leaves the error to the overview, which has the same call: said once is enough. */
  readonly quiet?: boolean;
  readonly children: (data: T) => ComponentChildren;
}

/** A part of the page that shows one call's data: says when they are old, and why when they cannot be had. */
export function Panel<T>({ title, name, feed, everyMs, onRetry, quiet = false, children }: Props<T>) {
  const id = useId();
  const now = useNow(5000);
  const stale = feed.at !== null && (feed.error !== null || isStale(feed, everyMs, now));
  return (
    <section class={`panel ${name}`} aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {stale && <p class="stale">as of {ago(now - feed.at)}</p>}
      </header>
      {feed.error !== null && !quiet && (
        <Problem title={`${title} cannot be refreshed`} error={feed.error} onRetry={onRetry} />
      )}
      {feed.data !== null && children(feed.data)}
      {feed.data === null && feed.error === null && <p class="empty">Loading…</p>}
      {feed.data === null && feed.error !== null && quiet && <p class="empty">Not known.</p>}
    </section>
  );
}
