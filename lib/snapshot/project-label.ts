import { sha256 } from './manifest.js';
import type { PartIndex } from './part-index.js';

const DIGITS = 16;

/** Replaces a project's id beside encrypted parts: `sha256:` and the first 16 hex digits of the id's SHA-256. */
export function projectLabel(project: string): string {
  return `sha256:${sha256(project).slice(0, DIGITS)}`;
}

/** A part's index for storing and counting: beside an encrypted part, projects are labels, not names. */
export function labelProjects(index: PartIndex, suffix: '' | '.age'): PartIndex {
  if (suffix === '') return index;
  const table = index.table.map(([type, family, project]): PartIndex['table'][number] => [
    type,
    family,
    project === null ? null : projectLabel(project),
  ]);
  return { ...index, table };
}
