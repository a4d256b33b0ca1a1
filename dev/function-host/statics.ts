import { readFile, stat } from 'node:fs/promises';
import { extname, join, normalize, sep } from 'node:path';

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

export interface StaticFile {
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
