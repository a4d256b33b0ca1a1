import { readdir } from 'node:fs/promises';
import { join, sep } from 'node:path';

export interface Route {
  readonly file: string;
  /** Path of the file from the parent folder, without its extension: `api/runs/[id]`. */
  readonly name: string;
  readonly pattern: RegExp;
  readonly parameters: readonly string[];
}

export interface Match {
  readonly route: Route;
  /** Values of the `[...]` segments, decoded. */
  readonly parameters: Readonly<Record<string, string>>;
}

/**
 * The functions under a folder, as Vercel routes to them: by path, `index` for the folder itself, `[name]` for any one
 * segment, nothing that begins with `_` or `.`. Source: https://vercel.com/docs/functions
 */
export async function findRoutes(functionsDir: string): Promise<Route[]> {
  const files = (await readdir(functionsDir, { recursive: true })).filter((file) => file.endsWith('.js'));
  const routes = files.flatMap((file) => {
    const segments = file.split(sep);
    return segments.some((segment) => /^[_.]/.test(segment)) ? [] : [toRoute(join(functionsDir, file), segments)];
  });
  // Fixed segments take precedence over parameters.
  return routes.sort((a, b) => a.parameters.length - b.parameters.length || (a.name < b.name ? -1 : 1));
}

export function matchRoute(routes: readonly Route[], path: string): Match | null {
  for (const route of routes) {
    const found = route.pattern.exec(path);
    if (found === null) continue;
    const values = found.slice(1).map((value) => safeDecode(value));
    return {
      route,
      parameters: Object.fromEntries(route.parameters.map((name, index) => [name, values[index] ?? ''])),
    };
  }
  return null;
}

function toRoute(file: string, segments: readonly string[]): Route {
  const name = ['api', ...segments].join('/').replace(/\.js$/, '');
  const parameters: string[] = [];
  const path = name
    .replace(/\/index$/, '')
    .split('/')
    .map((segment) => {
      const parameter = /^\[([^\]]+)\]$/.exec(segment)?.[1];
      if (parameter === undefined) return segment.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
      parameters.push(parameter);
      return '([^/]+)';
    });
  return { file, name, pattern: new RegExp(`^/${path.join('/')}/?$`), parameters };
}

function safeDecode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
