import Table from 'cli-table3';

type Cell = string | number;

const NO_LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

/** A table without lines, readable in a file too. `right`: indexes of right-aligned columns. */
export function table(
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  right: readonly number[] = [],
): string {
  const view = new Table({
    head: head.map((text) => text.toUpperCase()),
    colAligns: head.map((_, column) => (right.includes(column) ? 'right' : 'left')),
    chars: NO_LINES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) view.push([...row]);
  return trimLineEnds(view.toString());
}

/** Lines of `name   value`, with aligned values. */
export function facts(rows: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`.trimEnd()).join('\n');
}

/** Counts by name, the largest first. */
export function countTable(
  title: string,
  counts: Readonly<Record<string, number>>,
  name: (key: string) => string,
): string {
  const rows = Object.entries(counts).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  return table(
    [title, 'keys'],
    rows.map(([key, keys]) => [name(key), keys.toLocaleString('en-US')]),
    [1],
  );
}

function trimLineEnds(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
