import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';
import { isStale, type Feed } from '../state/feed.js';
import { useNow } from '../state/now.js';
import { formatAge } from '../words/format.js';
import { Problem } from './problem.js';

interface PanelProps {
  readonly title: string;
  /** Beside the title: a link, or a count. */
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
}

export function Panel({ title, aside, children }: PanelProps) {
  const id = useId();
  return (
    <section class="panel" aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

interface FeedProps<T> {
  /** Subject of the error text: `The snapshots`. */
  readonly what: string;
  readonly feed: Feed<T>;
  /** Polling interval in milliseconds, which decides when the data are stale. Null: loaded once. */
  readonly everyMs: number | null;
  readonly onRetry: () => void;
  readonly children: (data: NonNullable<T>) => ComponentChildren;
}

/** Shows the data of a feed, with a note when they are old and the error when the call failed. */
export function FeedContent<T>({ what, feed, everyMs, onRetry, children }: FeedProps<T>) {
  const now = useNow(5000);
  const isOld = feed.at !== null && (feed.error !== null || (everyMs !== null && isStale(feed, everyMs, now)));
  return (
    <>
      {isOld && feed.data !== null && (
        <p class="stale">{`Out of date: as of ${formatAge(now - feed.at)}. It may have changed since.`}</p>
      )}
      {feed.error !== null && <Problem title={`${what} cannot be read`} error={feed.error} onRetry={onRetry} />}
      {feed.data !== null && feed.data !== undefined && children(feed.data)}
      {feed.data === null && feed.error === null && <p class="empty">Loading…</p>}
    </>
  );
}
