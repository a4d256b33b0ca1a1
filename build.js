import { readdir, rm } from 'node:fs/promises';
import { build } from 'esbuild';

/**
 * Builds dist/: each file of api, lib and dev by itself (for tests and benchmarks that load single modules), and, under
 * dist/bundle, the command line and the functions with their packages in them. A bundle starts in less than half of the
 * time: node has a hundred files to find and read instead of six hundred. Types are checked by `npm run typecheck`.
 */
const common = {
  absWorkingDir: import.meta.dirname,
  outbase: '.',
  format: /** @type {const} */ ('esm'),
  platform: /** @type {const} */ ('node'),
  target: 'node20.12',
  logLevel: /** @type {const} */ ('warning'),
};

const [lib = [], api = [], dev = []] = await Promise.all(['lib', 'api', 'dev'].map(sources));
await rm(`${import.meta.dirname}/dist`, { recursive: true, force: true });
await Promise.all([
  build({ ...common, entryPoints: [...lib, ...api, ...dev], outdir: 'dist' }),
  build({
    ...common,
    entryPoints: ['lib/cli/main.ts', ...api],
    outdir: 'dist/bundle',
    bundle: true,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    sourcemap: 'linked',
    sourcesContent: false,
    // Packages of the local stack, with native code or a model beside them.
    external: ['usearch', '@energetic-ai/*'],
    // Packages in CommonJS call require for what is built into node.
    banner: {
      js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
    },
  }),
]);

/** The TypeScript files of a folder. */
async function sources(/** @type {string} */ folder) {
  const files = await readdir(`${import.meta.dirname}/${folder}`, { recursive: true });
  return files.filter((file) => file.endsWith('.ts')).map((file) => `${folder}/${file}`);
}
