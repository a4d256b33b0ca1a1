import { readdir, rm, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';

/**
 * Builds dist/: each file of lib and dev by itself (for tests and benchmarks that load single modules), and, under
 * dist/bundle, the command line and the functions, which api/ exports, with their packages in them. A bundle starts in less
 * than half of the time: node has a hundred files to find and read instead of six hundred. For the same reason dist/vendor has
 * the packages of many files for the tests, of which each suite loads its own. Types are checked by `npm run typecheck`.
 */
const common = {
  absWorkingDir: import.meta.dirname,
  outbase: '.',
  format: /** @type {const} */ ('esm'),
  platform: /** @type {const} */ ('node'),
  target: 'node20.12',
  logLevel: /** @type {const} */ ('warning'),
};

/** Packages in CommonJS call require for what is built into node. */
const REQUIRE = {
  js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
};

/** Each is some fifty to a hundred files in node_modules, with what it needs. jest.config.js has the same list. */
const VENDORS = ['@aws-sdk/client-s3', '@upstash/qstash', 'age-encryption', 'ioredis', 'zod'];

const FUNCTIONS = 'lib/http/functions/';

const [lib = [], dev = []] = await Promise.all(['lib', 'dev'].map(sources));
const functions = lib.filter((file) => file.startsWith(FUNCTIONS)).map((file) => file.slice(FUNCTIONS.length, -3));
await rm(`${import.meta.dirname}/dist`, { recursive: true, force: true });
const [, bundle] = await Promise.all([
  build({ ...common, entryPoints: [...lib, ...dev], outdir: 'dist' }),
  build({
    ...common,
    entryPoints: [
      { in: 'lib/cli/main.ts', out: 'lib/cli/main' },
      ...functions.map((name) => ({ in: `./${FUNCTIONS}${name}.ts`, out: `functions/${name}` })),
    ],
    outdir: 'dist/bundle',
    metafile: true,
    bundle: true,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    sourcemap: 'linked',
    sourcesContent: false,
    // Packages of the local stack, with native code or a model beside them.
    external: ['usearch', '@energetic-ai/*'],
    banner: REQUIRE,
  }),
  build({
    ...common,
    entryPoints: VENDORS.map((name) => ({ in: `vendor:${name}`, out: name })),
    outdir: 'dist/vendor',
    bundle: true,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    banner: REQUIRE,
    minifyWhitespace: true,
    plugins: [{ name: 'vendors', setup: vendors }],
  }),
]);

await Promise.all(functions.map((name) => declare(`dist/bundle/functions/${name}`)));

/** Writes the types of a function: without them Vercel, which checks each function by itself, would check all of lib six times. */
async function declare(/** @type {string} */ path) {
  const methods = bundle.metafile.outputs[`${path}.js`]?.exports ?? [];
  const lines = methods.map((name) => `export declare const ${name}: (request: Request) => Promise<Response>;\n`);
  await writeFile(`${import.meta.dirname}/${path}.d.ts`, lines.join(''));
}

/**
 * What a package exports, by name: of one in CommonJS a bundle would have a default export alone.
 *
 * @param {import('esbuild').PluginBuild} plugin
 */
function vendors(plugin) {
  plugin.onResolve({ filter: /^vendor:/ }, ({ path }) => ({ path: path.slice('vendor:'.length), namespace: 'vendor' }));
  plugin.onLoad({ filter: /./, namespace: 'vendor' }, async ({ path }) => {
    const names = Object.keys(await import(path)).filter((name) => !['default', 'module.exports'].includes(name));
    return { contents: `export { ${names.join(', ')} } from '${path}';`, resolveDir: import.meta.dirname };
  });
}

/** The TypeScript files of a folder. */
async function sources(/** @type {string} */ folder) {
  const files = await readdir(`${import.meta.dirname}/${folder}`, { recursive: true });
  return files.filter((file) => file.endsWith('.ts')).map((file) => `${folder}/${file}`);
}
