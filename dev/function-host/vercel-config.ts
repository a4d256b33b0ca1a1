import { readFile } from 'node:fs/promises';
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
