import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const ROOT = join(import.meta.dirname, '../..');
const CLOCK = join(import.meta.dirname, 'clock.ts');
const OUT = join(ROOT, `node_modules/.cache/hunt/${process.pid}`);

// The hunt and the product in one bundle, so that the product's clock can be put ahead or behind for one command.
let clocks = 0;
mkdirSync(OUT, { recursive: true });
process.on('exit', () => rmSync(OUT, { recursive: true, force: true }));
await build({
  entryPoints: [join(import.meta.dirname, 'main.ts')],
  bundle: true,
  outdir: OUT,
  splitting: true,
  outExtension: { '.js': '.mjs' },
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
  sourcemap: 'inline',
  logLevel: 'error',
  plugins: [
    {
      name: 'clock',
      setup: (/** @type {import('esbuild').PluginBuild} */ bundle) =>
        void bundle.onResolve({ filter: /services\/clock\.js$/ }, () => {
          clocks += 1;
          return { path: CLOCK };
        }),
    },
  ],
  define: { 'import.meta.dirname': JSON.stringify(join(ROOT, 'tests/support')) },
});
// Without this no command would have a wrong clock, and nothing would say so.
if (clocks === 0) throw new Error("the product's clock was not found: see the plugin of this file");
await import(pathToFileURL(join(OUT, 'main.mjs')).href);
