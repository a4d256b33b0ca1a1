import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = resolve(import.meta.dirname, '..');

interface Import {
  readonly from: string;
  readonly to: string;
}

function filesUnder(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const found = text.matchAll(/(?:\bfrom\s*|\bimport\s*\(\s*|\bimport\s+)'([^']+)'/g);
  return [...found].map(([, target = '']) => ({
    from: file,
    to: target.startsWith('.') ? relative(ROOT, resolve(ROOT, dirname(file), target)) : target,
  }));
}

const SOURCES = [...filesUnder('api'), ...filesUnder('lib')];
const IMPORTS = SOURCES.flatMap(importsOf);
const USE_CASES = ['snapshot', 'restore', 'reindex', 'guard', 'runs', 'soulcaster'];
const VENDORS = /^(@upstash|@aws-sdk|@google|@vercel|age-encryption|ioredis|proper-lockfile)/;

function inside(path: string, ...folders: string[]): boolean {
  return folders.some((folder) => path === `${folder}.js` || path.startsWith(`${folder}/`));
}

/** Imports that break a rule, as text that says where. */
function breaking(rule: (one: Import) => boolean): string[] {
  return IMPORTS.filter(rule).map(({ from, to }) => `${from} -> ${to}`);
}

describe('the direction of imports', () => {
  it('finds the sources and their imports', () => {
    expect(SOURCES.length).toBeGreaterThan(50);
    expect(IMPORTS).toContainEqual({ from: 'api/status.ts', to: 'lib/http/status.js' });
  });

  it('lets api/ reach nothing but lib/http', () => {
    expect(breaking(({ from, to }) => inside(from, 'api') && !inside(to, 'lib/http'))).toEqual([]);
  });

  it('keeps use cases away from adapters, configuration, entry points and vendors', () => {
    const useCases = USE_CASES.map((name) => `lib/${name}`);
    const forbidden = [
      'lib/adapters',
      'lib/config',
      'lib/connect',
      'lib/app',
      'lib/http',
      'lib/cli',
      'lib/local',
      'api',
    ];
    const bad = ({ from, to }: Import): boolean =>
      inside(from, ...useCases) && (inside(to, ...forbidden) || VENDORS.test(to));
    expect(breaking(bad)).toEqual([]);
  });

  it('keeps use cases apart, but for restore, which reads what snapshot writes', () => {
    const bad = ({ from, to }: Import): boolean => {
      const shared = ['lib/runs', 'lib/soulcaster'];
      const own = USE_CASES.find((name) => inside(from, `lib/${name}`));
      const other = USE_CASES.find((name) => inside(to, `lib/${name}`));
      if (own === undefined || other === undefined || own === other || shared.includes(`lib/${other}`)) return false;
      return !(other === 'snapshot' && (own === 'restore' || own === 'guard'));
    };
    expect(breaking(bad)).toEqual([]);
  });

  it('keeps ports free of everything but ports', () => {
    expect(breaking(({ from, to }) => inside(from, 'lib/ports') && !inside(to, 'lib/ports'))).toEqual([]);
  });

  it('lets adapters reach ports, errors and each other alone', () => {
    const bad = ({ from, to }: Import): boolean =>
      inside(from, 'lib/adapters') && to.startsWith('lib/') && !inside(to, 'lib/ports', 'lib/errors', 'lib/adapters');
    expect(breaking(bad)).toEqual([]);
  });

  it('lets adapters be reached from connect and the local stack alone', () => {
    const bad = ({ from, to }: Import): boolean =>
      inside(to, 'lib/adapters') &&
      !inside(from, 'lib/adapters', 'lib/local', 'lib/connect') &&
      from !== 'lib/connect.ts';
    expect(breaking(bad)).toEqual([]);
  });

  it('lets the local stack be reached from the command line alone', () => {
    const bad = ({ from, to }: Import): boolean => inside(to, 'lib/local') && !inside(from, 'lib/local', 'lib/cli');
    expect(breaking(bad)).toEqual([]);
  });
});

describe('the house rules', () => {
  it('reads the environment in lib/config.ts alone', () => {
    const readers = SOURCES.filter((file) => readFileSync(join(ROOT, file), 'utf8').includes('process.env'));
    expect(readers).toEqual(['lib/config.ts']);
  });

  it('ends relative imports in .js', () => {
    const bad = IMPORTS.filter(({ to }) => to.startsWith('lib/') && !to.endsWith('.js'));
    expect(bad).toEqual([]);
  });

  it('keeps to the number of functions that every Vercel plan takes', () => {
    expect(filesUnder('api').length).toBeLessThanOrEqual(12);
  });

  it('gives the version of package.json', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(readFileSync(join(ROOT, 'lib/version.ts'), 'utf8')).toContain(`'${version}'`);
  });
});
