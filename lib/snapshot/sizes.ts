import type { Manifest } from './manifest.js';

/** Bytes of all parts of a snapshot together: as JSON lines, and as they are stored. */
export interface Sizes {
  readonly plain: number;
  readonly stored: number;
}

export function sizesOf({ parts }: Manifest): Sizes {
  const sum = (which: 'plain' | 'stored'): number => parts.reduce((total, part) => total + part[which].bytes, 0);
  return { plain: sum('plain'), stored: sum('stored') };
}
