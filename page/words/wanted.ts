import type { Mode, RestoreOrder, Scope } from '../api/types.js';
import { scopeOf } from '../../lib/restore/scope-words.js';
import { fieldsOf } from '../../lib/runs/traits.js';
import { address } from './address.js';

export const SCOPES = ['project', 'families', 'keys', 'matches', 'all'] as const;
export type ScopeKind = (typeof SCOPES)[number];

/** What is to be restored, as it is chosen and as the address of the view has it. */
export interface Wanted {
  readonly snapshot: string;
  readonly scope: ScopeKind;
  readonly project: string;
  readonly families: readonly string[];
  /** Names of keys, one a line; what stands in them is never a pattern. */
  readonly keys: string;
  /** Patterns on the names of keys, one a line. */
  readonly matches: string;
  readonly mode: Mode;
}

const MODES: readonly Mode[] = ['replace', 'merge', 'missing'];

export function wantedOf(query: URLSearchParams): Wanted {
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

/** The address of the view with these choices; `plan`: the dry run that shows what they would do. */
export function addressOf(wanted: Wanted, plan: string | null = null): string {
  const { mode, scope, snapshot } = wanted;
  return address(['restore'], {
    snapshot,
    scope,
    ...chosenOf(wanted),
    mode: mode === 'replace' ? null : mode,
    plan,
  });
}

function chosenOf({ families, keys, matches, project, scope }: Wanted): Readonly<Record<string, string>> {
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

/** The scope that is asked for; null as long as something is still to be chosen. */
export function scopeWanted({ families, keys, matches, project, scope }: Wanted): Scope | null {
  switch (scope) {
    case 'all':
      return { all: true };
    case 'project':
      return project === '' ? null : { project };
    case 'families':
      if (families.length === 0) return null;
      return { projects: project === '' ? [] : [project], families: [...families], matches: [], keys: [] };
    case 'keys':
      return linesOf(keys).length === 0 ? null : { ...NO_KEYS, keys: linesOf(keys).map(nameOf) };
    case 'matches':
      return linesOf(matches).length === 0 ? null : { ...NO_KEYS, matches: linesOf(matches) };
  }
}

const NO_KEYS = { projects: [], families: [], matches: [], keys: [] };

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

/** A name as its line has it: one that would be several lines, or would be taken for a quoted one, is quoted as JSON. */
export function lineOf(name: string): string {
  return /^"|[\r\n]/.test(name) ? JSON.stringify(name) : name;
}

function nameOf(line: string): string {
  if (!line.startsWith('"')) return line;
  try {
    const name: unknown = JSON.parse(line);
    return typeof name === 'string' && name !== '' ? name : line;
  } catch {
    return line;
  }
}

export interface Planned {
  readonly snapshot: string;
  readonly scope: Scope | null;
  readonly mode: Mode;
  /** The name of the database that the plan is for; null for the one that is backed up. */
  readonly target: string | null;
  /** What else the dry run was asked for: who carries out the plan asks for the same. */
  readonly options: Pick<RestoreOrder, 'expiry' | 'settle' | 'safety' | 'reindex' | 'fromSource'>;
}

/** What a dry run was asked for: the scope, as the server has understood it, and the rest. */
export function plannedBy(input: unknown, wanted: Wanted): Planned {
  const { expiry, fromSource, mode, reindex, safety, scope, settle, snapshot, target } = fieldsOf(input);
  return {
    snapshot: typeof snapshot === 'string' ? snapshot : wanted.snapshot,
    scope: scopeOf(scope) ?? scopeWanted(wanted),
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
