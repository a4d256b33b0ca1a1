import { z } from 'zod';
import { storeApp, type StoreApp } from '../app/app.js';
import { deploymentOf, protectedDatabase } from '../app/connect/database.js';
import { exitCodeOf, type AppError } from '../errors.js';
import { catalogEntry } from '../snapshot/catalog.js';
import { unsavedWords } from '../snapshot/ledger.js';
import { startVerify } from '../snapshot/verify.js';
import { errorOfRun, runEnvironment } from './carry-out.js';
import { carryOutReadOnly } from './in-memory.js';
import { trustContext } from '../snapshot/trust.js';
import { chooseSnapshot } from './trust.js';
import type { Context } from './context.js';
import { counted } from './output/format.js';
import { errorDocument, printError } from './output/report-error.js';
import { storeEnvironment } from './store-choice.js';

const resultSchema = z.object({
  snapshot: z.string(),
  depth: z.enum(['lines', 'stored-bytes']),
  keys: z.number(),
  findings: z.array(z.object({ code: z.string(), subject: z.string(), detail: z.string() })),
});
type Result = z.infer<typeof resultSchema>;

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
  const open = (inMemory: boolean): StoreApp =>
    storeApp(runEnvironment(env, inMemory || options.local === true), { log: context.log, inMemory });
  const trust = await trustContext(open(false).ports, protectedDatabase(env).source);
  const id = await chooseSnapshot(context, trust, wanted);
  const { app, run, unrecorded } = await carryOutReadOnly(
    context,
    open,
    ({ engine }) => startVerify(engine, id, 'cli'),
    options.replica === true,
  );
  const parsed = resultSchema.safeParse(run.result);
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
  if (error !== null) printError(error, { env: context.env, err: (text) => context.note(text) });
  context.document({
    run: run.id,
    snapshot: id,
    verified: error === null,
    recorded: unrecorded === null,
    depth: parsed.data?.depth ?? null,
    keys: parsed.data?.keys ?? null,
    findings: parsed.data?.findings ?? [],
    deployment: deploymentOf(env),
    error: error === null ? null : errorDocument(error).error,
  });
  return error;
}

/** `whole`: whether the findings concern other snapshots only. */
function findingsText({ snapshot, depth, keys, findings }: Result, whole: boolean): string {
  if (findings.length > 0) {
    const lines = findings.map(({ code, subject, detail }) => `  ${code}  ${subject}\n    ${detail}`);
    const subject = whole ? `Snapshot ${snapshot} is whole; others in the store` : `Snapshot ${snapshot}`;
    return [`${subject}: ${counted(findings.length, 'finding')}.`, ...lines].join('\n');
  }
  if (depth === 'lines') return `Snapshot ${snapshot} is whole: ${counted(keys, 'key')} read back, the chain holds.`;
  return `Snapshot ${snapshot} has all its bytes, the chain holds. Its keys were not checked: it is encrypted, and no age identity is set here.`;
}
