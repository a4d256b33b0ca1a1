/** Where somebody is: `#/runs/ID?do=verify` is the path `['runs', ID]` with the query `do=verify`. */
export interface Route {
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

export function readAddress(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split(/\?(.*)/s);
  return {
    path: path
      .split('/')
      .filter((segment) => segment !== '')
      .map(decoded),
    query: new URLSearchParams(query),
  };
}

/** The address of a view. Names whose value is null or empty are left out. */
export function address(
  path: readonly string[],
  query: Readonly<Record<string, string | null | undefined>> = {},
): string {
  const entries = Object.entries(query).filter((entry): entry is [string, string] => (entry[1] ?? '') !== '');
  const text = new URLSearchParams(entries).toString();
  return `#/${path.map(encodeURIComponent).join('/')}${text === '' ? '' : `?${text}`}`;
}

/** The same place with some of its query changed; null takes a name out. */
export function changed({ path, query }: Route, changes: Readonly<Record<string, string | null>>): string {
  return address(path, { ...Object.fromEntries(query), ...changes });
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
