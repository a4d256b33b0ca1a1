import type { Environment } from '../app/config.js';
import { connect } from '../app/connect.js';
import { AppError } from '../errors.js';
import { catalogEntry, refusedError, type CatalogEntry } from '../snapshot/catalog.js';
import { listEntries } from '../snapshot/catalog-object.js';
import { assessor } from '../snapshot/latest.js';
import { hasEncryptedNames, openLedger, keyName, namesHint, printable } from '../snapshot/ledger.js';
import { type Ledger, type Manifest, sizesOf, rateOf } from '../snapshot/manifest.js';
import type { Verification } from '../snapshot/statements.js';
import { fileWords, shortSource, sourceWords } from '../snapshot/source.js';
import type { Assessment } from '../snapshot/trust.js';
import { deploymentOf } from '../app/connect/database.js';
import type { Context } from './context.js';
import { chooseSnapshot, openTrust } from './trust.js';
import { bytes, count, counted, duration, dollars } from '../formats.js';
import { countTable, facts, table } from './output/table.js';

/** `show`: a snapshot's manifest as a report. Encrypted names of keys are opened if an identity is set. */
export async function show(context: Context, wanted: string): Promise<number> {
  const trust = await openTrust(context);
  const id = await chooseSnapshot(context, trust, wanted);
  const entry = await catalogEntry(trust.store, id);
  const stored = entry?.manifest ?? null;
  if (entry?.refusal !== undefined) throw refusedError(id, entry.refusal);
  if (entry === null || stored === null) {
    throw new AppError('damaged', `The manifest of snapshot ${id} cannot be read`, {
      hint: 'It was altered, truncated, or written by a newer version: run `npx soulcaster-backup verify --env-file .env` for details.',
    });
  }
  const manifest = { ...stored, ledger: await openLedgerNames(context.env, stored.ledger) };
  const assessment = (await assessor(trust, await listEntries(trust)))(entry);
  const { accepted, adopted, verification } = entry;
  const source = { source: shortSource(manifest.source), own: trust.sources?.has(manifest.source) ?? null };
  const words = { trust: assessment.state, reasons: assessment.reasons, accepted, adopted, ...source };
  context.document({ id, verification, ...words, deployment: deploymentOf(context.env), manifest });
  context.print(manifestReport(entry, manifest, assessment, sourceWords(manifest, trust.own)));
  return 0;
}

/** Loads the encryption keys only if names are encrypted: a malformed key must not block a plain manifest. */
async function openLedgerNames(env: Environment, ledger: Ledger): Promise<Ledger> {
  return hasEncryptedNames(ledger) ? openLedger(connect(env, ['encryptor']).encryptor, ledger) : ledger;
}

function manifestReport(
  { id, verification }: CatalogEntry,
  manifest: Manifest,
  assessment: Assessment,
  whose: string,
): string {
  const { counts, ledger, parts } = manifest;
  const same = (name: string): string => name;
  return [
    `Snapshot ${id}`,
    facts([['trust', trustWords(assessment)], ['database', whose], ...overview(manifest, verification)]),
    countTable('type', counts.byType, same),
    countTable('family', counts.byFamily, same),
    ...(Object.keys(counts.byProject).length > 0 ? [countTable('project', counts.byProject, printable)] : []),
    ...keyTables(ledger),
    table(
      ['part', 'keys', 'plain', 'stored', 'sha256 of the stored bytes'],
      parts.map(({ name, keys, plain, stored }) => [
        name,
        count(keys),
        bytes(plain.bytes),
        bytes(stored.bytes),
        stored.sha256,
      ]),
      [1, 2, 3],
    ),
  ].join('\n\n');
}

function overview(manifest: Manifest, verification: Verification | null): [string, string | null][] {
  const { createdAt, dbsize, doubles, ledger, previous, purpose, recipients, seal, spent, state, tool, window } =
    manifest;
  const { plain, stored } = sizesOf(manifest);
  const span = Date.parse(window.to) - Date.parse(window.from);
  return [
    ['state', state],
    ['purpose', purpose === undefined ? null : 'taken by a restore before it wrote'],
    ['holds', manifest.partial === true ? 'the keys of the projects of that restore, and keys of no project' : null],
    ['imported', manifest.imported === undefined ? null : importedWords(manifest.imported)],
    [
      'verified',
      verification === null ? 'never' : `${verification.state} at ${verification.at} (${verification.depth})`,
    ],
    ['taken', `${createdAt} by ${tool}`],
    ['window', `${window.from} to ${window.to} (${duration(span)})`],
    ['keys there', `${counted(dbsize.before, 'key')} before, ${count(dbsize.after)} after`],
    ['size', `${bytes(plain)} plain, ${bytes(stored)} stored, compressed ${ratio(plain, stored)}`],
    ['ledger', ledgerLine(ledger)],
    ['names', namesLine(manifest)],
    ['duplicates', `${count(doubles.length)} skipped`],
    ['spent', `${counted(spent.commands, 'command')}, ${spentLine(manifest)}`],
    ['encrypted', recipients.length === 0 ? 'no' : `to ${recipients.join(', ')}`],
    ['signed', seal.signature === null ? 'no' : 'yes (Ed25519)'],
    ['previous', previous === null ? 'none: the first of the chain' : `${previous.id} (sha256 ${previous.sha256})`],
  ];
}

function importedWords(imported: NonNullable<Manifest['imported']>): string {
  const { bytes: size, format, layers, sha256 } = imported;
  const packed = layers.length === 0 ? '' : `, ${layers.join(' and ')}`;
  return `from ${printable(fileWords(imported))} (${format}${packed}, ${bytes(size)}, sha256 ${sha256})`;
}

function trustWords({ reasons, state }: Assessment): string {
  return reasons.length === 0 ? state : `${state}: ${reasons.map(printable).join('; ')}`;
}

function keyTables(ledger: Ledger): string[] {
  const lists = [
    ['failed', ledger.failed],
    ['unsupported', ledger.unsupported],
    ['changed meanwhile', ledger.changedMeanwhile],
  ] as const;
  const hint = namesHint(lists.flatMap(([, { keys }]) => keys));
  return [
    ...lists
      .filter(([, { keys }]) => keys.length > 0)
      .map(([title, { keys }]) =>
        table(
          [title, 'reason'],
          keys.map(({ key, reason }) => [keyName(key), reason]),
        ),
      ),
    ...(hint === null ? [] : [hint]),
  ];
}

/** The summary of a new snapshot. */
export function snapshotSummary(manifest: Manifest, milliseconds: number): string {
  const { counts, doubles, id, ledger, parts, recipients, spent, state } = manifest;
  const { plain, stored } = sizesOf(manifest);
  const types = Object.entries(counts.byType).sort(([, a], [, b]) => b - a);
  const rows: [string, string][] = [
    ['keys', `${count(counts.keys)} (${types.map(([type, keys]) => `${type} ${count(keys)}`).join(', ')})`],
    ['parts', `${count(parts.length)}${recipients.length > 0 ? ', encrypted' : ''}`],
    ['plain', bytes(plain)],
    ['stored', `${bytes(stored)}, compressed ${ratio(plain, stored)}`],
    ['duplicates', `${count(doubles.length)} skipped`],
    ['ledger', ledgerLine(ledger)],
    ['names', namesLine(manifest)],
    ['commands', `${count(spent.commands)} in ${spentLine(manifest)}`],
    ['time', duration(milliseconds)],
  ];
  const isDoubtful = state === 'complete' && (manifest.doubts ?? []).length > 0;
  return `Snapshot ${id} is ${isDoubtful ? 'complete but doubtful' : state}, read back and finalized.\n${facts(rows)}`;
}

/** Requests, price and command rate of a snapshot. */
export function spentLine(manifest: Manifest): string {
  const { requests, estimatedUsd } = manifest.spent;
  const rate = rateOf(manifest);
  const speed = rate === null ? '' : `, ${count(rate)} commands a second`;
  return `${counted(requests, 'request')}, at most ${dollars(estimatedUsd)}${speed}`;
}

/** How the names were scanned again after the first pass. */
export function namesLine({ names }: Pick<Manifest, 'names'>): string {
  if (names === undefined) return 'scanned once only';
  const lost =
    names.unexplained === 0 ? '' : `, ${counted(names.unexplained, 'key')} counted by the database but NOT FOUND`;
  return `scanned again ${counted(names.walks, 'time')}, ${count(names.added)} added${lost}`;
}

export function ledgerLine(ledger: Ledger): string {
  return [
    `saved ${count(ledger.saved)}`,
    `expired meanwhile ${count(ledger.expiredMeanwhile)}`,
    `changed meanwhile ${count(ledger.changedMeanwhile.count)}`,
    `unsupported ${count(ledger.unsupported.count)}`,
    `failed ${count(ledger.failed.count)}`,
    ...(ledger.vanished === undefined ? [] : [`deleted while it was read ${count(ledger.vanished)}`]),
  ].join(', ');
}
/** The ratio of compression, such as `6.2 : 1`. */
export function ratio(plain: number, stored: number): string {
  return stored === 0 ? 'none' : `${(plain / stored).toFixed(1)} : 1`;
}
