import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** Bundles the operations page into public/assets: page.js and page.css, which public/index.html names. */
const [source, assets] = ['.', '../public/assets'].map((path) => fileURLToPath(new URL(path, import.meta.url)));

await rm(assets, { recursive: true, force: true });
await build({
  absWorkingDir: source,
  entryPoints: { page: 'main.tsx' },
  outdir: assets,
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['es2022', 'chrome123', 'firefox120', 'safari17.5'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  logLevel: 'warning',
});
