import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = resolve(import.meta.dirname, '..');

interface Import {
  readonly from: string;
  readonly to: string;
  /** Whether it is loaded when it is needed. */
  readonly lazy: boolean;
}

function filesUnder(folder: string, name = /\.ts$/): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && name.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const found = text.matchAll(/(?:\bfrom\s*|\bimport\s*(\(\s*)|\bimport\s+)'([^']+)'/g);
  return [...found].map(([, lazy, target = '']) => ({
    from: file,
    lazy: lazy !== undefined,
    to: target.startsWith('.') ? relative(ROOT, resolve(ROOT, dirname(file), target)) : target,
  }));
}

const SOURCES = [...filesUnder('api'), ...filesUnder('dev'), ...filesUnder('lib')];
const IMPORTS = SOURCES.flatMap(importsOf);
/** What a use case may know of others, beside runs and the application's keys. */
const USE_CASES: Readonly<Record<string, readonly string[]>> = {
  runs: [],
  soulcaster: [],
  snapshot: [],
  restore: ['snapshot'],
  reindex: [],
  retention: ['snapshot'],
  rotation: [],
  'provider-backups': ['snapshot'],
  health: ['rotation'],
  monitoring: ['snapshot', 'retention', 'health'],
  inspect: ['snapshot', 'restore'],
  transfer: ['snapshot', 'restore', 'inspect'],
  erasure: ['snapshot', 'restore', 'inspect', 'retention'],
  setup: ['health'],
};
const SHARED = ['runs', 'soulcaster'];
const VENDORS = /^(@upstash|@aws-sdk|@google|@vercel|age-encryption|ioredis|proper-lockfile)/;

function inside(path: string, ...folders: string[]): boolean {
  return folders.some((folder) => path === `${folder}.js` || path.startsWith(`${folder}/`));
}

/** Imports that break a rule, as text that says where. */
function breaking(rule: (one: Import) => boolean): string[] {
  return IMPORTS.filter(rule).map(({ from, to }) => `${from} -> ${to}`);
}

/** Circles of files, each as the way from a file back to itself. What a command loads when it runs is none. */
function circles(files: readonly string[]): string[] {
  const names = new Map(files.map((file) => [file.replace(/\.tsx?$/, '.js'), file]));
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (file: string, way: readonly string[]): void => {
    const at = way.indexOf(file);
    if (at !== -1) found.push([...way.slice(at), file].join(' -> '));
    if (at !== -1 || done.has(file)) return;
    for (const { to, lazy } of importsOf(file)) {
      const target = names.get(to);
      if (target !== undefined && !lazy) visit(target, [...way, file]);
    }
    done.add(file);
  };
  for (const file of files) visit(file, []);
  return found;
}

describe('the direction of imports', () => {
  it('finds the sources and their imports', () => {
    expect(SOURCES.length).toBeGreaterThan(50);
    expect(IMPORTS).toContainEqual({
      from: 'lib/http/functions/operator.ts',
      lazy: false,
      to: 'lib/http/operator.js',
    });
  });

  it('lets each function of api/ be what is built of the file of its name', () => {
    const functions = filesUnder('api').map((from) => ({ from, to: from.replace(/^api/, 'dist/bundle/functions') }));
    expect(IMPORTS.filter(({ from }) => inside(from, 'api'))).toEqual(
      functions.map(({ from, to }) => ({ from, lazy: false, to: to.replace(/ts$/, 'js') })),
    );
    const built = filesUnder('lib/http/functions').map((file) => file.replace('lib/http/functions', 'api'));
    expect(built.sort()).toEqual(filesUnder('api').sort());
  });

  it('keeps use cases away from adapters, configuration, entry points and vendors', () => {
    const useCases = Object.keys(USE_CASES).map((name) => `lib/${name}`);
    const forbidden = ['lib/stores', 'lib/services', 'lib/crypto', 'lib/app', 'lib/http', 'lib/cli', 'dev', 'api'];
    const bad = ({ from, to }: Import): boolean =>
      inside(from, ...useCases) && (inside(to, ...forbidden) || VENDORS.test(to));
    expect(breaking(bad)).toEqual([]);
  });

  it('keeps what is said of kinds of runs, which lib/runs knows, free of their work and of packages', () => {
    const seen = new Set(['lib/run-kinds.ts']);
    for (const file of seen) for (const { to } of valueImportsOf(file)) seen.add(to.replace(/\.js$/, '.ts'));
    const bad = [...seen].filter((file) => !/\/(run-kinds|kinds?|traits|formats|[a-z-]+-words)\.ts$/.test(file));
    expect(bad).toEqual([]);
    expect(seen.has('lib/restore/kinds.ts')).toBe(true);
  });

  it('keeps use cases apart, but for those that build on others', () => {
    const nameOf = (path: string): string | undefined =>
      Object.keys(USE_CASES).find((name) => inside(path, `lib/${name}`));
    const bad = ({ from, to }: Import): boolean => {
      const [own, other] = [nameOf(from), nameOf(to)];
      if (own === undefined || other === undefined || own === other) return false;
      return !SHARED.includes(other) && USE_CASES[own]?.includes(other) !== true;
    };
    expect(breaking(bad)).toEqual([]);
  });

  it('has no circle, not even of types', () => {
    expect(circles([...SOURCES, ...filesUnder('page', /\.tsx?$/)])).toEqual([]);
  });

  it('keeps ports free of everything but ports', () => {
    expect(breaking(({ from, to }) => inside(from, 'lib/ports') && !inside(to, 'lib/ports'))).toEqual([]);
  });

  it('lets adapters reach ports, errors, forms of variables and each other alone', () => {
    const adapters = ['lib/stores', 'lib/services', 'lib/crypto'];
    const bad = ({ from, to }: Import): boolean =>
      inside(from, ...adapters) &&
      to.startsWith('lib/') &&
      !inside(to, 'lib/ports', 'lib/errors', 'lib/variable-forms', ...adapters);
    expect(breaking(bad)).toEqual([]);
  });

  it('lets adapters be reached from the connections and the local stack alone', () => {
    const adapters = ['lib/stores', 'lib/services', 'lib/crypto'];
    const bad = ({ from, to }: Import): boolean =>
      inside(to, ...adapters) && !inside(from, ...adapters, 'dev', 'lib/app');
    expect(breaking(bad)).toEqual([]);
  });

  it("keeps the database vendor's SDK to the one function that runs a command with it", () => {
    const importers = IMPORTS.filter(({ to }) => to === '@upstash/redis').map(({ from }) => from);
    expect([...new Set(importers)]).toEqual(['lib/redis/run-one.ts']);
  });

  it('lets the local stack be reached from its two commands alone', () => {
    const bad = ({ from, to }: Import): boolean => inside(to, 'dev') && !inside(from, 'dev', 'lib/cli');
    expect(breaking(bad)).toEqual([]);
  });
});

/** Without those of types, which a build leaves out. */
function valueImportsOf(file: string): Import[] {
  const text = readFileSync(join(ROOT, file), 'utf8').replace(/^(import|export) type [^;]*;$/gm, '');
  const found = text.matchAll(/\bfrom '([^']+)'/g);
  return [...found].map(([, target = '']) => ({
    from: file,
    lazy: false,
    to: target.startsWith('.') ? relative(ROOT, resolve(ROOT, dirname(file), target)) : target,
  }));
}

describe('the page', () => {
  it('takes nothing of lib but types, and what needs neither Node nor a package', () => {
    const seen = new Set<string>();
    const queue = filesUnder('page', /\.tsx?$/);
    const bad: string[] = [];
    for (const file of queue) {
      for (const { from, to } of valueImportsOf(file)) {
        if (!inside(to, 'lib')) {
          if (!inside(from, 'page')) bad.push(`${from} -> ${to}`);
          continue;
        }
        const source = to.replace(/\.js$/, '.ts');
        if (!seen.has(source)) queue.push(source);
        seen.add(source);
      }
    }
    expect(bad).toEqual([]);
    expect([...seen].filter((file) => /\b(Buffer|process)\b/.test(withoutComments(file)))).toEqual([]);
    expect(seen.has('lib/formats.ts')).toBe(true);
  });

  const withoutComments = (file: string): string =>
    readFileSync(join(ROOT, file), 'utf8').replace(/\/\*[^]*?\*\/|\/\/.*/g, '');
});

describe('the house rules', () => {
  it('reads the environment in lib/app/config.ts alone', () => {
    const readers = SOURCES.filter((file) => readFileSync(join(ROOT, file), 'utf8').includes('process.env'));
    expect(readers).toEqual(['lib/app/config.ts']);
  });

  it('ends relative imports in .js', () => {
    const bad = IMPORTS.filter(({ to }) => to.startsWith('lib/') && !to.endsWith('.js'));
    expect(bad).toEqual([]);
  });

  it('keeps to the number of functions that every Vercel plan takes', () => {
    expect(filesUnder('api').length).toBeLessThanOrEqual(12);
  });

  it('has a note in every folder of lib on what comes in and what leaves', () => {
    const folders = readdirSync(join(ROOT, 'lib'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const without = folders.filter(({ name }) => !existsSync(join(ROOT, 'lib', name, 'README.md')));
    expect(without.map(({ name }) => name)).toEqual([]);
  });

  it('gives the version of package.json', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(readFileSync(join(ROOT, 'lib/version.ts'), 'utf8')).toContain(`'${version}'`);
  });
});
