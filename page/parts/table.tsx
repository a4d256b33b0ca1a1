import type { ComponentChildren } from 'preact';

export interface Row {
  readonly key: string;
  readonly cells: readonly ComponentChildren[];
  readonly class?: string;
}

interface Props {
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
export function Table({ caption, columns, rows, foot, wide = false }: Props) {
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
