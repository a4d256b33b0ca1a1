import { fullApp } from '../app/app.js';
import { deploymentOf } from '../app/connect/database.js';
import { exitCodeOf } from '../errors.js';
import type { Encryptor } from '../ports/crypto.js';
import type { ObjectStore } from '../ports/store.js';
import type { RunRecord } from '../runs/model.js';
import { openNames } from '../snapshot/ledger.js';
import { loadManifest, type Ledger, type Manifest } from '../snapshot/manifest.js';
import { startSnapshot } from '../snapshot/run.js';
import { carryOut, errorOfRun, runEnvironment } from './carry-out.js';
import type { Context } from './context.js';
import { counted, keyName, namesHint } from './output/format.js';
import { printError, errorDocument } from './output/report-error.js';
import { snapshotSummary } from './output/summary.js';

/** How many keys a warning names at most. */
const MAX_NAMED = 5;

/** `backup`: takes a snapshot and prints its contents and cost. */
export async function backup(context: Context, options: { readonly local?: boolean }): Promise<number> {
  const app = fullApp(runEnvironment(context.env, options.local === true), { log: context.log });
  const run = await carryOut(context, app, await startSnapshot(app.engine, 'cli'));
  const manifest = await loadManifestOf(app.ports.store, run);
  const error = errorOfRun(run);
  if (manifest !== null) {
    context.print(snapshotSummary(manifest, millisecondsOf(run)));
    const { encryptor } = app.ports;
    await noteUnsavedKeys(context, encryptor, 'failed', manifest.ledger.failed, 'could not be saved');
    await noteUnsavedKeys(
      context,
      encryptor,
      'unsupported',
      manifest.ledger.unsupported,
      'of a type that cannot be saved',
    );
  }
  if (error !== null) printError(error, { env: context.env, err: (text) => context.note(text) });
  context.document({
    run: run.id,
    state: run.state,
    snapshot: manifest?.id ?? null,
    milliseconds: millisecondsOf(run),
    result: run.result,
    trust: error?.code === 'doubtful' ? 'doubtful' : (manifest?.state ?? null),
    deployment: deploymentOf(context.env),
    error: error === null ? null : errorDocument(error).error,
  });
  return error === null ? 0 : exitCodeOf(error.code);
}

/** Null when the run ended before writing a manifest. */
async function loadManifestOf(store: ObjectStore, run: RunRecord): Promise<Manifest | null> {
  if (run.state === 'failed') return null;
  return (await loadManifest(store, run.id))?.manifest ?? null;
}

function millisecondsOf(run: RunRecord): number {
  return Date.parse(run.finishedAt ?? run.updatedAt) - Date.parse(run.createdAt);
}

async function noteUnsavedKeys(
  context: Context,
  encryptor: Encryptor,
  list: string,
  { count, keys }: Ledger['failed'],
  what: string,
): Promise<void> {
  if (count === 0) return;
  const first = await openNames(encryptor, keys.slice(0, MAX_NAMED));
  const named = first.map(({ key, reason }) => `  ${keyName(key)}: ${reason}`);
  const more = count > named.length ? [`  and ${count - named.length} more: \`show\` lists them`] : [];
  const hint = namesHint(first);
  const lines = [`warning: ${counted(count, 'key')} ${what} (${list}):`, ...named, ...more];
  context.note([...lines, ...(hint === null ? [] : [`  ${hint}`])].join('\n'));
}
