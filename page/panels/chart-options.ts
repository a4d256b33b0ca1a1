import type uPlot from 'uplot';
import type { Snapshot } from '../api/types.js';
import { bytes, count, instant } from '../words/format.js';
import { standingOf, STANDING_TONES, type Standing } from '../words/standing.js';

const HEIGHT = 200;
const STANDINGS: readonly Standing[] = [
  'verified',
  'not checked',
  'doubtful',
  'future',
  'foreign',
  'incomplete',
  'unreadable',
  'untrusted',
  'damaged',
];
const MARK_SIZE = 9;
// uPlot declares its enumerations for types alone: there is no name for this value at run time.
// eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment
const RIGHT = 1 as uPlot.Axis.Side;
const DAY_SECONDS = 86_400;
const DAYS = [1 / 24, 1 / 4, 1, 2, 7, 14, 30, 90, 365].map((days) => days * DAY_SECONDS);
/** Steps of the axis of bytes: 1, 2, 4 ... bytes, so that the marks are round in KiB and MiB. */
const BINARY = Array.from({ length: 50 }, (_, power) => 2 ** power);

/** Times in seconds, stored bytes, keys, and the standing by its number; oldest first. */
export function chartData(newestFirst: readonly Snapshot[]): uPlot.AlignedData {
  const sorted = [...newestFirst].sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
  return [
    sorted.map(({ createdAt }) => Date.parse(createdAt) / 1000),
    sorted.map(({ storedBytes }) => storedBytes),
    sorted.map(({ keys }) => keys),
    sorted.map((snapshot) => STANDINGS.indexOf(standingOf(snapshot))),
  ];
}

/** How it is drawn, in the colours that the place has now. */
export function chartOptions(place: HTMLElement, snapshots: readonly Snapshot[]): uPlot.Options {
  const style = getComputedStyle(place);
  const colour = (name: string): string => style.getPropertyValue(`--chart-${name}`);
  const resolve = (name: string): string => resolved(place, colour(name));
  const font = `12px ${style.fontFamily}`;
  const axis = { stroke: resolve('text'), font, ticks: { show: false }, grid: { stroke: resolve('grid'), width: 1 } };
  const narrow = place.clientWidth < 520;
  return {
    width: place.clientWidth,
    height: HEIGHT,
    padding: [12, narrow ? 12 : 4, 0, 0],
    cursor: { drag: { x: false, y: false }, points: { size: 7 } },
    scales: { bytes: { range: fromZero }, keys: { range: fromZero }, standing: { range: () => [0, 1] } },
    axes: [
      { ...axis, grid: { show: false }, space: 70, incrs: DAYS, values: (_, ticks) => ticks.map(day) },
      { ...axis, scale: 'bytes', size: 76, incrs: BINARY, values: (_, ticks) => ticks.map((tick) => bytes(tick)) },
      {
        ...axis,
        show: !narrow,
        scale: 'keys',
        side: RIGHT,
        size: 60,
        grid: { show: false },
        values: (_, ticks) => ticks.map(count),
      },
    ],
    series: [
      { label: 'Taken', value: shown((value) => instant(new Date(value * 1000).toISOString())) },
      {
        label: 'Stored',
        scale: 'bytes',
        stroke: resolve('size'),
        width: 2,
        points: { show: false },
        value: shown(bytes),
      },
      {
        label: 'Keys',
        scale: 'keys',
        stroke: resolve('keys'),
        width: 2,
        dash: [6, 4],
        points: { show: false },
        value: shown(count),
      },
      {
        label: 'Check',
        scale: 'standing',
        paths: () => null,
        points: { show: false },
        value: shown((number) => STANDINGS[number] ?? ''),
      },
    ],
    hooks: { draw: [(plot) => drawMarks(plot, snapshots, resolve)] },
  };
}

/** A mark at the foot of each backup: a dot where it is verified, a cross where it is worth less. */
function drawMarks(plot: uPlot, snapshots: readonly Snapshot[], colour: (name: string) => string): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const y = bbox.top + bbox.height - (MARK_SIZE / 2 + 2) * ratio;
  ctx.save();
  for (const snapshot of snapshots) {
    const x = plot.valToPos(Date.parse(snapshot.createdAt) / 1000, 'x', true);
    drawMark(ctx, x, y, (MARK_SIZE / 2) * ratio, STANDING_TONES[standingOf(snapshot)], colour);
  }
  ctx.restore();
}

function drawMark(
  ctx: CanvasRenderingContext2D,
  x: number,
  y: number,
  radius: number,
  tone: string,
  colour: (name: string) => string,
): void {
  ctx.strokeStyle = colour(tone);
  ctx.fillStyle = colour(tone);
  ctx.lineWidth = radius / 3;
  // The dashes of the series before are still set.
  ctx.setLineDash([]);
  ctx.beginPath();
  if (tone === 'good') {
    ctx.arc(x, y, radius * 0.8, 0, 2 * Math.PI);
    ctx.fill();
    return;
  }
  if (tone === 'plain') ctx.arc(x, y, radius * 0.7, 0, 2 * Math.PI);
  else {
    ctx.moveTo(x - radius, y - radius);
    ctx.lineTo(x + radius, y + radius);
    ctx.moveTo(x + radius, y - radius);
    ctx.lineTo(x - radius, y + radius);
  }
  ctx.stroke();
}

function day(seconds: number): string {
  return new Date(seconds * 1000).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
}

const fromZero = (_: uPlot, _min: number | null, max: number | null): uPlot.Range.MinMax => [0, (max ?? 1) * 1.15 || 1];

function shown(words: (value: number) => string) {
  return (_: uPlot, value: number | null): string => (value === null ? '–' : words(value));
}

/** A custom property may hold a function such as light-dark(); a canvas takes only what that comes to. */
function resolved(place: HTMLElement, value: string): string {
  const probe = document.createElement('span');
  probe.style.color = value;
  place.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
