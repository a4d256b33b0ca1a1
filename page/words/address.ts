/** The current view: `#/runs/ID?do=verify` is the path `['runs', ID]` with the query `do=verify`. */
export interface Route {
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

export function parseAddress(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split(/\?(.*)/s);
  return {
    path: path
      .split('/')
      .filter((segment) => segment !== '')
      .map(decode),
    query: new URLSearchParams(query),
  };
}

/** The address of a view. Null and empty values are left out. */
export function address(
  path: readonly string[],
  query: Readonly<Record<string, string | null | undefined>> = {},
): string {
  const entries = Object.entries(query).filter((entry): entry is [string, string] => (entry[1] ?? '') !== '');
  const text = new URLSearchParams(entries).toString();
  return `#/${path.map(encodeURIComponent).join('/')}${text === '' ? '' : `?${text}`}`;
}

/** The address of the same view with a changed query; null removes a name. */
export function changeQuery({ path, query }: Route, changes: Readonly<Record<string, string | null>>): string {
  return address(path, { ...Object.fromEntries(query), ...changes });
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
