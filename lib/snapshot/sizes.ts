import type { Manifest } from './manifest.js';
import { fenceOfPart } from './names.js';

/** Total bytes of all parts of a snapshot: as JSON lines, and as stored. */
export interface Sizes {
  readonly plain: number;
  readonly stored: number;
}

export function sizesOf({ parts }: Manifest): Sizes {
  const sum = (which: 'plain' | 'stored'): number => parts.reduce((total, part) => total + part[which].bytes, 0);
  return { plain: sum('plain'), stored: sum('stored') };
}

/** Commands per second from the first to the last, including pauses between attempts; null for a window of no length. */
export function rateOf({ spent, window }: Manifest): number | null {
  const seconds = (Date.parse(window.to) - Date.parse(window.from)) / 1000;
  return seconds > 0 ? Math.round(spent.commands / seconds) : null;
}

/** The lowest and the highest fencing number in the names of the parts; null without parts. */
export function fencesOf({ parts }: Manifest): readonly [number, number] | null {
  const fences = parts.flatMap(({ name }) => fenceOfPart(name) ?? []);
  return fences.length === 0 ? null : [Math.min(...fences), Math.max(...fences)];
}
