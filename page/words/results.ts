import { scopeWords } from '../../lib/restore/scope-words.js';
import type { RunView } from '../api/types.js';
import { fieldsOf, scopeOf } from '../state/restore.js';
import { bytes, count, counted, duration } from './format.js';

type Fields = Readonly<Record<string, unknown>>;
type Fact = readonly [name: string, value: string];

/** What a run came to, as names and values. What is not there is left out: a run that failed early knows little. */
export function resultFacts({ kind, result }: Pick<RunView, 'kind' | 'result'>): Fact[] {
  const fields = fieldsOf(result);
  switch (kind) {
    case 'snapshot':
      return snapshotFacts(fields);
    case 'verify':
      return verifyFacts(fields);
    case 'restore':
      return restoreFacts(fields);
    case 'drill':
      return drillFacts(fields);
    case 'reindex':
      return reindexFacts(fields);
  }
}

function snapshotFacts(result: Fields): Fact[] {
  return [
    ...words('Snapshot', result['snapshot']),
    ...number('Keys', result['keys']),
    ...number('Parts', result['parts']),
    ...positive('Keys that could not be saved', result['failed']),
    ...size('Stored', result['storedBytes']),
  ];
}

function verifyFacts(result: Fields): Fact[] {
  const findings = Array.isArray(result['findings']) ? (result['findings'] as Fields[]) : [];
  const named = findings.slice(0, 10).map(({ code, subject }): Fact => [String(code), String(subject)]);
  return [...words('Snapshot', result['snapshot']), ...number('Keys', result['keys']), ...named];
}

function restoreFacts(result: Fields): Fact[] {
  const proof = fieldsOf(fieldsOf(result['proof'])['total']);
  const scope = scopeOf(result['scope']);
  return [
    ...(scope === null ? [] : words('Of', scopeWords(scope))),
    ...words('Mode', result['mode']),
    ...number('Keys written', fieldsOf(result['written'])['written']),
    ...number('Keys removed', result['removed']),
    ...number('Proven equal', proof['equal']),
    ...positive('Missing', proof['missing']),
    ...positive('Different', proof['different']),
    ...positive('Left over', result['extras']),
    ...time('Took', result['milliseconds']),
  ];
}

function drillFacts(result: Fields): Fact[] {
  return [
    ...words('Outcome', result['outcome']),
    ...words('Because', result['reason']),
    ...words('Snapshot', result['snapshot']),
    ...number('Keys', result['keys']),
    ...time('Took', result['milliseconds']),
  ];
}

function reindexFacts(result: Fields): Fact[] {
  const skipped = fieldsOf(result['skipped']);
  return [
    ...number('Embedded', result['embedded']),
    ...positive('Had a vector already', result['unchanged']),
    ...positive('Vectors removed, whose item is gone', result['swept']),
    ...positive('Items skipped', skipped['count']),
    ...number('Vectors now', fieldsOf(result['proof'])['vectors']),
    ...time('Took', result['milliseconds']),
  ];
}

function words(name: string, value: unknown): Fact[] {
  return typeof value === 'string' && value !== '' ? [[name, value]] : [];
}

function number(name: string, value: unknown): Fact[] {
  return typeof value === 'number' ? [[name, count(value)]] : [];
}

function positive(name: string, value: unknown): Fact[] {
  return typeof value === 'number' && value > 0 ? [[name, count(value)]] : [];
}

function size(name: string, value: unknown): Fact[] {
  return typeof value === 'number' ? [[name, bytes(value)]] : [];
}

function time(name: string, value: unknown): Fact[] {
  return typeof value === 'number' ? [[name, duration(value)]] : [];
}

/** The end of a run in a sentence. */
export function endWords({ state, error, result, kind }: Pick<RunView, 'state' | 'error' | 'result' | 'kind'>): string {
  if (state === 'failed') return error?.message ?? 'No reason is known';
  if (state === 'incomplete') return error?.message ?? 'Something could not be done';
  if (error !== null) return error.message;
  const { keys, proof } = fieldsOf(result);
  if (kind === 'snapshot' && typeof keys === 'number') return `Done: ${counted(keys, 'key')} saved and read back`;
  if (kind === 'verify' && typeof keys === 'number') return `Done: all ${counted(keys, 'key')} are as they were saved`;
  if (kind === 'restore' && proof === undefined) return 'This is the plan: nothing was changed';
  if (kind === 'restore') return 'Done: every key was compared with the snapshot';
  return 'Done';
}
