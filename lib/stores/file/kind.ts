import { segmentProblem, type StoreKind } from '../kind.js';
import { fileStore } from './store.js';

/** A folder, by its absolute path without a slash at its end. */
export const fileKind = {
  begin: 'file://',
  form: 'file:///folder',
  shape: {},
  shared: {},
  place(path) {
    if (!path.startsWith('/')) return 'must be file:///folder, with an absolute path';
    return segmentProblem(path.slice(1)) ?? { folder: path };
  },
  problems: () => [],
  open: ({ folder }, _settings, { clock }) => fileStore({ folder, clock }),
} as const satisfies StoreKind<{ readonly folder: string }>;
