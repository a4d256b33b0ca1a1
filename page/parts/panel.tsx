import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';
import { isStale, type Feed } from '../state/feed.js';
import { useNow } from '../state/use-feed.js';
import { formatAge } from '../words/format.js';
import { Problem } from './text.js';

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

export interface Row {
  readonly key: string;
  readonly cells: readonly ComponentChildren[];
  readonly class?: string;
}

interface TableProps {
  readonly caption: string;
  /** Headings; `#` marks a column of numbers, an empty heading a column of buttons. */
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
  readonly foot?: readonly ComponentChildren[];
  /** Scrolls horizontally instead of becoming cards, for many columns of numbers in a narrow panel. */
  readonly wide?: boolean;
}

/**
 * A table whose rows become cards on a narrow screen. The roles are explicit because browsers drop the implicit roles of rows
 * that are laid out as blocks. The first cell is the row's header.
 */
export function Table({ caption, columns, rows, foot, wide = false }: TableProps) {
  const heads = columns.map((column) => ({ words: column.replace('#', ''), number: column.startsWith('#') }));
  const cells = (row: readonly ComponentChildren[]) =>
    row.map((cell, index) => {
      const head = heads[index];
      const kind = head?.number === true ? 'number' : undefined;
      if (index === 0)
        return (
          <th scope="row" role="rowheader">
            {cell}
          </th>
        );
      return (
        <td role="cell" class={kind} data-label={head?.words}>
          {cell}
        </td>
      );
    });
  return (
    <div
      class={wide ? 'table wide' : 'table'}
      {...(wide ? { tabIndex: 0, role: 'region', 'aria-label': caption } : {})}
    >
      <table role="table">
        <caption class="hidden">{caption}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {heads.map(({ words, number }) => (
              <th scope="col" role="columnheader" class={number ? 'number' : undefined}>
                {words === '' ? <span class="hidden">Actions</span> : words}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={row.key} role="row" class={row.class}>
              {cells(row.cells)}
            </tr>
          ))}
        </tbody>
        {foot !== undefined && (
          <tfoot role="rowgroup">
            <tr role="row">{cells(foot)}</tr>
          </tfoot>
        )}
      </table>
    </div>
  );
}
