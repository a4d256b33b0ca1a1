import Table from 'cli-table3';

type Cell = string | number;

const LINES =
  'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid';
const NO_LINES = { ...Object.fromEntries(LINES.split(' ').map((name) => [name, ''])), middle: '  ' };

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
  return view
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Lines of `name   value`, with aligned values; rows without a value are left out. */
export function facts(rows: readonly (readonly [name: string, value: string | null])[]): string {
  const shown = rows.filter(([, value]) => value !== null);
  const width = Math.max(...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `  ${name.padEnd(width)}  ${value ?? ''}`.trimEnd()).join('\n');
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
