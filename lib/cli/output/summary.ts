import { type Ledger, type Manifest, rateOf, sizesOf } from '../../snapshot/manifest.js';
import { bytes, count, counted, dollars, duration, ratio } from './format.js';
import { facts } from './table.js';

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
