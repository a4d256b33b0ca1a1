import { isSet } from '../app/config.js';
import { functionsCanOpen } from '../app/settings.js';
import { fullApp, storeApp, type StoreApp } from '../app/app.js';
import { deploymentOf, protectedDatabase } from '../app/connect/database.js';
import type { Encryptor } from '../ports/crypto.js';
import type { ObjectStore } from '../ports/store.js';
import type { RunRecord } from '../runs/model.js';
import { openNames, keyName, namesHint, unsavedWords } from '../snapshot/ledger.js';
import { loadManifest, type Manifest } from '../snapshot/manifest.js';
import { startSnapshot } from '../snapshot/run.js';
import { carryOut, errorOfRun, runEnvironment, carryOutReadOnly } from './carry-out.js';
import type { Context } from './context.js';
import { counted } from '../formats.js';
import { finish } from './output/report-error.js';
import { snapshotSummary } from './show.js';
import { exitCodeOf, type AppError } from '../errors.js';
import { catalogEntry } from '../snapshot/catalog.js';
import { startVerify, verifyResultSchema } from '../snapshot/verify.js';
import { trustContext } from '../snapshot/trust.js';
import { chooseSnapshot } from './trust.js';
import { storeEnvironment } from '../app/connect/stores.js';
import type { z } from 'zod';

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
    await noteUnsavedKeys(context, encryptor, manifest, 'failed', 'could not be saved');
    await noteUnsavedKeys(context, encryptor, manifest, 'unsupported', 'of a type that cannot be saved');
  }
  const document = {
    run: run.id,
    state: run.state,
    snapshot: manifest?.id ?? null,
    milliseconds: millisecondsOf(run),
    result: run.result,
    trust: error?.code === 'doubtful' ? 'doubtful' : (manifest?.state ?? null),
    deployment: deploymentOf(context.env),
  };
  return finish(context, document, error);
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
  { id, ledger }: Manifest,
  list: 'failed' | 'unsupported',
  what: string,
): Promise<void> {
  const { count, keys } = ledger[list];
  if (count === 0) return;
  const first = await openNames(encryptor, keys.slice(0, MAX_NAMED));
  const named = first.map(({ key, reason }) => `  ${keyName(key)}: ${reason}`);
  const rest = `  and ${count - named.length} more: \`npx soulcaster-backup show ${id} --env-file .env\` lists them`;
  const more = count > named.length ? [rest] : [];
  const hint = namesHint(first);
  const lines = [`warning: ${counted(count, 'key')} ${what} (${list}):`, ...named, ...more];
  context.note([...lines, ...(hint === null ? [] : [`  ${hint}`])].join('\n'));
}

interface VerifyOptions {
  readonly local?: boolean;
  readonly replica?: boolean;
}

/** `verify`: reads a snapshot back and reports everything that is wrong with it or with the chain. */
export async function verify(context: Context, wanted: string, options: VerifyOptions): Promise<number> {
  const error = await verifySnapshot(context, wanted, options);
  return error === null ? 0 : exitCodeOf(error.code);
}

/** The same, for commands with further steps: prints the findings and returns the error. */
export async function verifySnapshot(
  context: Context,
  wanted: string,
  options: VerifyOptions,
): Promise<AppError | null> {
  const env = storeEnvironment(context.env, options.replica);
  // Only this process reads every line if the identity is here and not with the functions.
  const isLocal = options.local === true || (isSet(env, 'BACKUP_AGE_IDENTITY') && !functionsCanOpen(env));
  const open = (inMemory: boolean): StoreApp =>
    storeApp(runEnvironment(env, inMemory || isLocal), { log: context.log, inMemory });
  const trust = await trustContext(open(false).ports, protectedDatabase(env).source);
  const id = await chooseSnapshot(context, trust, wanted);
  const { app, run, unrecorded } = await carryOutReadOnly(
    context,
    open,
    ({ engine }) => startVerify(engine, id, 'cli'),
    id,
  );
  const parsed = verifyResultSchema.safeParse(run.result);
  const error = errorOfRun(run);
  if (parsed.success) context.print(findingsText(parsed.data, error?.code === 'chain-broken'));
  const manifest = (await catalogEntry(app.ports.store, id))?.manifest ?? null;
  if (manifest !== null && manifest.state !== 'complete') {
    const unsaved = unsavedWords(manifest) ?? 'its manifest says so';
    context.note(
      `warning: the snapshot is incomplete: ${unsaved}, see \`npx soulcaster-backup show ${id} --env-file .env\``,
    );
  }
  if (unrecorded !== null) context.note(`warning: the result could not be recorded, so \`list\` does not show it`);
  const document = {
    run: run.id,
    snapshot: id,
    verified: error === null,
    recorded: unrecorded === null,
    depth: parsed.data?.depth ?? null,
    keys: parsed.data?.keys ?? null,
    findings: parsed.data?.findings ?? [],
    deployment: deploymentOf(env),
  };
  finish(context, document, error);
  return error;
}

/** `whole`: whether the findings concern other snapshots only. */
function findingsText({ snapshot, depth, keys, findings }: z.infer<typeof verifyResultSchema>, whole: boolean): string {
  if (findings.length > 0) {
    const lines = findings.map(({ code, subject, detail }) => `  ${code}  ${subject}\n    ${detail}`);
    const subject = whole ? `Snapshot ${snapshot} is whole; others in the store` : `Snapshot ${snapshot}`;
    return [`${subject}: ${counted(findings.length, 'finding')}.`, ...lines].join('\n');
  }
  if (depth === 'lines') return `Snapshot ${snapshot} is whole: ${counted(keys, 'key')} read back, the chain holds.`;
  return `Snapshot ${snapshot} has all its bytes, the chain holds. Its keys were not checked: it is encrypted, and no age identity is set here.`;
}
