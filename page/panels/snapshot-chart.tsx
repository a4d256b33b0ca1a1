import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import type { Snapshot } from '../api/types.js';
import { bytes, counted, instant } from '../words/format.js';
import { standingOf } from '../words/standing.js';
import { chartData, chartOptions } from './chart-options.js';

/** Size and keys over time. The table below has the same figures; a screen reader is told the gist. */
export function SnapshotChart({ snapshots }: { readonly snapshots: readonly Snapshot[] }) {
  const place = useRef<HTMLDivElement>(null);
  const backups = snapshots.filter(({ purpose, state }) => purpose === 'backup' && state !== 'unreadable');
  const drawn = JSON.stringify(chartData(backups));
  useEffect(() => {
    if (place.current === null || backups.length < 2) return undefined;
    return draw(place.current, backups);
  }, [drawn]);
  if (backups.length < 2) return null;
  return (
    <figure class="chart">
      <figcaption>
        Size and keys of backups over time. Below, a dot for each that was verified and a cross for each that is worth
        less.
      </figcaption>
      <div ref={place} role="img" aria-label={gist(backups)} />
    </figure>
  );
}

/** Draws, and draws again when the width or the theme changes; returns what takes it away. */
function draw(place: HTMLElement, backups: readonly Snapshot[]): () => void {
  let plot: uPlot | null = null;
  const paint = (): void => {
    plot?.destroy();
    plot = new uPlot(chartOptions(place, backups), chartData(backups), place);
  };
  paint();
  let width = place.clientWidth;
  const resized = new ResizeObserver(() => {
    if (place.clientWidth === width) return;
    width = place.clientWidth;
    paint();
  });
  resized.observe(place);
  const themed = new MutationObserver(paint);
  themed.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  return () => {
    resized.disconnect();
    themed.disconnect();
    plot?.destroy();
  };
}

function gist(newestFirst: readonly Snapshot[]): string {
  const [newest, oldest] = [newestFirst[0], newestFirst.at(-1)];
  if (newest === undefined || oldest === undefined) return '';
  const verified = newestFirst.filter((snapshot) => standingOf(snapshot) === 'verified').length;
  const of = ({ createdAt, keys, storedBytes }: Snapshot): string =>
    `${counted(keys ?? 0, 'key')} in ${bytes(storedBytes ?? 0)} on ${instant(createdAt)}`;
  return `${counted(newestFirst.length, 'backup')}, ${verified} of them verified: from ${of(oldest)} to ${of(newest)}.`;
}
