import { selectedIn, undoneScope } from '../restore/undo-scope.js';
import { projectsOf } from '../restore/scope.js';
import { classifyKey } from '../soulcaster/keys.js';
import { keyMatcher, selectsAll, type FactsByProject, type KeyMatcher } from '../soulcaster/selection.js';
import { listWords, selectionWords } from '../soulcaster/selection-words.js';
import type { OpenSnapshot } from './open.js';

/** The keys that a snapshot of a part of a database can hold. That it lacks another key proves nothing about that key. */
export interface Held {
  /** Id of the snapshot. */
  readonly snapshot: string;
  readonly words: string;
  /** Projects whose facts `matcher` needs. */
  readonly projects: readonly string[];
  /** Keys that the snapshot may lack although they existed are `other`. */
  matcher(facts: FactsByProject): KeyMatcher;
}

/** The sides of a comparison that hold a part of a database: to limit the comparison, and to report. */
export async function findPartialSides(before: OpenSnapshot, other: Held | null) {
  const within = [await heldIn(before), other].filter((held) => held !== null);
  return { within, partial: within.map(({ snapshot, words }) => ({ snapshot, holds: words })) };
}

/**
 * Null for a snapshot of a whole database. Where the selection of an imported export is not known, `words` says so, and
 * every key matches.
 */
export async function heldIn({ encryptor, manifest }: OpenSnapshot): Promise<Held | null> {
  const { id, imported, partial, undoes } = manifest;
  if (partial === true && undoes !== undefined) {
    const undone = await undoneScope(encryptor, undoes);
    const projects = new Set(undone === null ? [] : projectsOf(undone));
    const words = `keys of ${listWords('project', 'projects', [...projects])} and keys that name no project`;
    const matcher = (): KeyMatcher => (key, known) => {
      const { project } = known ?? classifyKey(key.toString('utf8'));
      return project === null || projects.has(project) ? 'owned' : 'other';
    };
    return { snapshot: id, words, projects: [], matcher };
  }
  if (imported?.selection === undefined) return null;
  const selected = await selectedIn(encryptor, imported);
  if (selected === null || selectsAll(selected)) {
    const words = 'an unknown selection of keys, so that a key which it lacks may exist';
    return { snapshot: id, words, projects: [], matcher: () => () => 'owned' };
  }
  const matcher = (facts: FactsByProject): KeyMatcher => {
    const matches = keyMatcher(selected, facts);
    // An export contains only the selected projects of users' lists.
    return (key, known) => (matches(key, known) === 'owned' ? 'owned' : 'other');
  };
  return { snapshot: id, words: selectionWords(selected), projects: selected.projects, matcher };
}
