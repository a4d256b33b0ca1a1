import { readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { Marked } from 'marked';

/**
 * Builds the operations page into public/assets: page.js and page.css, which public/index.html loads, and the runbook as a
 * separate page, which works without the API.
 */
const [source, assets, docs] = ['.', '../public/assets', '../docs'].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);

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
await writeFile(`${assets}/runbook.html`, runbook(await readFile(`${docs}/operations.md`, 'utf8')));

const sizes = await Promise.all(
  ['page.js', 'page.css'].map(async (name) => gzipSync(await readFile(`${assets}/${name}`)).length),
);
process.stdout.write(`page: ${(sizes.reduce((sum, size) => sum + size, 0) / 1000).toFixed(1)} kB compressed\n`);

/** Headings get GitHub's anchors; tables can scroll. Links to other documents become text. */
function runbook(/** @type {string} */ markdown) {
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth, text }) {
        const id = text
          .toLowerCase()
          .replace(/[^\w\- ]/g, '')
          .replaceAll(' ', '-');
        return `<h${depth} id="${id}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        const words = this.parser.parseInline(tokens);
        return /^(#|https:)/.test(href) ? `<a href="${href}">${words}</a>` : words;
      },
      image: ({ text }) => text,
    },
  });
  const body = marked
    .parse(markdown, { async: false })
    .replaceAll('<table>', '<div class="table wide" tabindex="0"><table>')
    .replaceAll('</table>', '</table></div>');
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="robots" content="noindex" />
    <meta name="color-scheme" content="light dark" />
    <title>Runbook · soulcaster-backup</title>
    <link rel="icon" href="/icon.svg" type="image/svg+xml" />
    <link rel="stylesheet" href="/assets/page.css" />
  </head>
  <body>
    <header class="frame"><div class="frame-row"><a href="/">The operations page</a></div></header>
    <main class="prose">
${body}    </main>
  </body>
</html>
`;
}
