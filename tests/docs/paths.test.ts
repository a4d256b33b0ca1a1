import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = join(import.meta.dirname, '../..');
const NOTES = readdirSync(join(ROOT, 'lib'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('README.md'))
  .map((name) => join('lib', name));

/** Source files, and folders, that a document names in code font. Patterns such as `program*.ts` name none. */
function pathsIn(file: string): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8').replace(/```[\s\S]*?```/g, '');
  return [...text.matchAll(/`((?:[\w.-]+\/)*(?:\w[\w.-]*\.(?:ts|tsx|sh)|[\w.-]+\/))`/g)].map(([, path = '']) => path);
}

/** Paths that lead nowhere: neither from the root nor from the document's folder. */
function lost(file: string): string[] {
  return pathsIn(file).filter((path) => !existsSync(join(ROOT, path)) && !existsSync(join(ROOT, dirname(file), path)));
}

describe('the files that the documents name', () => {
  it('are found in ARCHITECTURE.md, each from the root', () => {
    expect(pathsIn('ARCHITECTURE.md').length).toBeGreaterThan(60);
    expect(pathsIn('ARCHITECTURE.md').filter((path) => /^(?:lib|api|dev|page|tests)\//.test(path))).toEqual(
      pathsIn('ARCHITECTURE.md'),
    );
  });

  it.each(['ARCHITECTURE.md', 'docs/decisions.md', ...NOTES])('exist: %s', (file) => {
    expect(lost(file)).toEqual([]);
  });
});
