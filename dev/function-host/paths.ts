import { readFile, readdir, stat } from 'node:fs/promises';
import { join, sep, extname, normalize } from 'node:path';
import { z } from 'zod';

const schema = z.looseObject({
  functions: z.record(z.string(), z.looseObject({ maxDuration: z.number().optional() })).default({}),
  crons: z.array(z.object({ path: z.string(), schedule: z.string() })).default([]),
  rewrites: z.array(z.object({ source: z.string(), destination: z.string() })).default([]),
  headers: z
    .array(z.object({ source: z.string(), headers: z.array(z.object({ key: z.string(), value: z.string() })) }))
    .default([]),
});

/** The fields of vercel.json that the host uses. */
export type VercelConfig = z.infer<typeof schema>;

/** Reads vercel.json; null if the file does not exist. Throws if it is invalid. */
export async function readVercelConfig(file: string): Promise<VercelConfig | null> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  });
  return text === null ? null : schema.parse(JSON.parse(text));
}

/** The headers that vercel.json adds to answers for this path. Of the source syntax only groups such as `(.*)` work. */
export function headersFor(config: Pick<VercelConfig, 'headers'>, path: string): [name: string, value: string][] {
  return config.headers
    .filter(({ source }) => new RegExp(`^${source}$`).test(path))
    .flatMap(({ headers }) => headers.map(({ key, value }): [string, string] => [key.toLowerCase(), value]));
}

/** Applies the rewrites of vercel.json. Of the source syntax only groups and `:name` for one segment work. */
export function rewritePath(config: Pick<VercelConfig, 'rewrites'>, path: string): string {
  for (const { source, destination } of config.rewrites) {
    const names = [...source.matchAll(/:(\w+)/g)].map(([, name = '']) => name);
    const found = new RegExp(`^${source.replaceAll(/:\w+/g, '([^/]+)')}$`).exec(path);
    if (found === null) continue;
    return names.reduce((to, name, at) => to.replace(`:${name}`, found[at + 1] ?? ''), destination);
  }
  return path;
}

/** Limits by pattern, in the order of vercel.json. */
export function limitsOf(config: VercelConfig | null): { pattern: string; seconds: number }[] {
  return Object.entries(config?.functions ?? {}).flatMap(([pattern, { maxDuration }]) =>
    maxDuration === undefined ? [] : [{ pattern, seconds: maxDuration }],
  );
}

/** Whether a pattern of `functions`, with `**`, `*` and `?`, matches the function; sources may be .ts or .js. */
export function matchesPattern(pattern: string, name: string): boolean {
  const source = pattern.replace(/\*\*\/|\*\*|[*?]|[.+^${}()|[\]\\]/g, (part) => {
    if (part === '**/') return '(?:.*/)?';
    if (part === '**') return '.*';
    if (part === '*') return '[^/]*';
    return part === '?' ? '[^/]' : `\\${part}`;
  });
  const expression = new RegExp(`^${source}$`);
  return ['.ts', '.js', '.mts', '.mjs'].some((ending) => expression.test(`${name}${ending}`));
}

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

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'application/javascript; charset=utf-8',
  '.mjs': 'application/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/vnd.microsoft.icon',
  '.txt': 'text/plain; charset=utf-8',
  '.woff2': 'font/woff2',
};

interface StaticFile {
  readonly type: string;
  readonly body: Buffer;
}

/** The static file for a path, `index.html` for a folder; null if there is none inside `folder`. */
export async function readStatic(folder: string, path: string): Promise<StaticFile | null> {
  const file = resolve(folder, path);
  if (file === null) return null;
  const found = await stat(file).catch(() => null);
  const named = found?.isDirectory() === true ? join(file, 'index.html') : file;
  const body = await readFile(named).catch(() => null);
  return body === null ? null : { type: TYPES[extname(named)] ?? 'application/octet-stream', body };
}

function resolve(folder: string, path: string): string | null {
  try {
    const decoded = decodeURIComponent(path);
    const file = normalize(join(folder, decoded));
    const inside = file === normalize(folder) || file.startsWith(normalize(folder + sep));
    return inside && !decoded.includes('\0') ? file : null;
  } catch {
    return null;
  }
}
