import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';
import { isStale, type Feed } from '../state/feed.js';
import { useNow } from '../state/now.js';
import { ago } from '../words/format.js';
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
  /** What it is, in the plural: `Snapshots`. */
  readonly what: string;
  readonly feed: Feed<T>;
  /** How often the feed is asked, in milliseconds: what is much older is called old. Null: once. */
  readonly everyMs: number | null;
  readonly onRetry: () => void;
  readonly children: (data: NonNullable<T>) => ComponentChildren;
}

/** What one call answers: says when that is old, and why where it cannot be had. */
export function Fed<T>({ what, feed, everyMs, onRetry, children }: FeedProps<T>) {
  const now = useNow(5000);
  const isOld = feed.at !== null && (feed.error !== null || (everyMs !== null && isStale(feed, everyMs, now)));
  return (
    <>
      {isOld && feed.data !== null && (
        <p class="stale">{`Old: as of ${ago(now - feed.at)}. It may be otherwise by now.`}</p>
      )}
      {feed.error !== null && <Problem title={`${what} cannot be read`} error={feed.error} onRetry={onRetry} />}
      {feed.data !== null && feed.data !== undefined && children(feed.data)}
      {feed.data === null && feed.error === null && <p class="empty">Loading…</p>}
    </>
  );
}
