import type { Mode, RestoreOrder, Scope } from '../api/types.js';
import { scopeOf } from '../../lib/restore/scope-words.js';
import { fieldsOf } from '../../lib/runs/traits.js';
import { address } from './address.js';

const SCOPES = ['project', 'families', 'keys', 'matches', 'all'] as const;
export type ScopeKind = (typeof SCOPES)[number];

/** What to restore: the choices of the form, which are kept in the address of the view. */
export interface RestoreChoices {
  readonly snapshot: string;
  readonly scope: ScopeKind;
  readonly project: string;
  readonly families: readonly string[];
  /** Names of keys, one per line, never patterns. */
  readonly keys: string;
  /** Patterns of key names, one per line. */
  readonly matches: string;
  readonly mode: Mode;
}

const MODES: readonly Mode[] = ['replace', 'merge', 'missing'];

export function parseRestoreChoices(query: URLSearchParams): RestoreChoices {
  const scope = SCOPES.find((kind) => kind === query.get('scope')) ?? 'project';
  return {
    snapshot: query.get('snapshot') ?? '',
    scope,
    project: query.get('project') ?? '',
    families: (query.get('families') ?? '').split(',').filter((family) => family !== ''),
    keys: query.get('key') ?? '',
    matches: query.get('match') ?? '',
    mode: MODES.find((mode) => mode === query.get('mode')) ?? 'replace',
  };
}

/** The address of the view with these choices; `plan` is the id of their dry run. */
export function restoreAddress(wanted: RestoreChoices, plan: string | null = null): string {
  const { mode, scope, snapshot } = wanted;
  return address(['restore'], {
    snapshot,
    scope,
    ...scopeQuery(wanted),
    mode: mode === 'replace' ? null : mode,
    plan,
  });
}

function scopeQuery({ families, keys, matches, project, scope }: RestoreChoices): Readonly<Record<string, string>> {
  switch (scope) {
    case 'all':
      return {};
    case 'project':
      return { project };
    case 'families':
      return { project, families: families.join(',') };
    case 'keys':
      return { key: keys };
    case 'matches':
      return { match: matches };
  }
}

/** The chosen scope; null while the choice is incomplete. */
export function chosenScope({ families, keys, matches, project, scope }: RestoreChoices): Scope | null {
  switch (scope) {
    case 'all':
      return { all: true };
    case 'project':
      return project === '' ? null : { project };
    case 'families':
      if (families.length === 0) return null;
      return { projects: project === '' ? [] : [project], families: [...families], matches: [], keys: [] };
    case 'keys':
      return splitLines(keys).length === 0 ? null : { ...NO_KEYS, keys: splitLines(keys).map(parseKeyLine) };
    case 'matches':
      return splitLines(matches).length === 0 ? null : { ...NO_KEYS, matches: splitLines(matches) };
  }
}

const NO_KEYS = { projects: [], families: [], matches: [], keys: [] };

function splitLines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

/** Writes a key name as a line: a name with line breaks or with a leading quote is quoted as JSON. */
export function formatKeyLine(name: string): string {
  return /^"|[\r\n]/.test(name) ? JSON.stringify(name) : name;
}

function parseKeyLine(line: string): string {
  if (!line.startsWith('"')) return line;
  try {
    const name: unknown = JSON.parse(line);
    return typeof name === 'string' && name !== '' ? name : line;
  } catch {
    return line;
  }
}

export interface PlannedRestore {
  readonly snapshot: string;
  readonly scope: Scope | null;
  readonly mode: Mode;
  /** The name of the target database; null for the protected one. */
  readonly target: string | null;
  /** Other options of the dry run; the restore uses the same. */
  readonly options: Pick<RestoreOrder, 'expiry' | 'settle' | 'safety' | 'reindex' | 'fromSource'>;
}

/** Reads the request of a dry run: the scope as the server parsed it, and the options. */
export function parsePlannedRestore(input: unknown, wanted: RestoreChoices): PlannedRestore {
  const { expiry, fromSource, mode, reindex, safety, scope, settle, snapshot, target } = fieldsOf(input);
  return {
    snapshot: typeof snapshot === 'string' ? snapshot : wanted.snapshot,
    scope: scopeOf(scope) ?? chosenScope(wanted),
    mode: MODES.find((each) => each === mode) ?? wanted.mode,
    target: typeof target === 'string' ? target : null,
    options: {
      ...(expiry === 'keep' || expiry === 'shift' || expiry === 'drop' ? { expiry } : {}),
      ...(typeof settle === 'boolean' ? { settle } : {}),
      ...(typeof safety === 'boolean' ? { safety } : {}),
      ...(typeof reindex === 'boolean' ? { reindex } : {}),
      ...(fromSource === true ? { fromSource } : {}),
    },
  };
}
