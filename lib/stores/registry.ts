import { z } from 'zod';
import type { ObjectStore } from '../ports/store.js';
import { fileStore } from './file/store.js';
import {
  findSegmentProblem,
  type StoreContext,
  type StoreKind,
  type StoreSettings,
  type VariablePrefix,
} from './kind.js';
import { s3Kind } from './s3/kind.js';
import { allOf } from '../variable-forms.js';

/** A folder, addressed by its absolute path. */
const fileKind = {
  begin: 'file://',
  form: 'file:///folder',
  shape: {},
  shared: {},
  place(path) {
    if (!path.startsWith('/')) return 'must be file:///folder, with an absolute path';
    return findSegmentProblem(path.slice(1)) ?? { folder: path };
  },
  problems: () => [],
  open: ({ folder }, _settings, { clock }) => fileStore({ folder, clock }),
} as const satisfies StoreKind<{ readonly folder: string }>;

const STORE_KINDS = [s3Kind, fileKind];

/** All variables of the first store except its address. */
export const STORE_SHAPE = allOf<(typeof STORE_KINDS)[number]['shape' | 'shared']>(
  STORE_KINDS.flatMap(({ shape, shared }) => [shape, shared]),
);

/** Variables that the second store has as well, with REPLICA_ before them. */
export const STORE_NAMES = STORE_KINDS.flatMap(({ shape }) => Object.keys(shape));

/** The address of a store. It is taken literally: nothing is decoded, dropped or resolved. */
export const storeUrl = z.string().superRefine((text, context) => {
  const found = parseAddress(text);
  if (typeof found === 'string') context.addIssue({ code: 'custom', message: found });
});

/** What is wrong with the variables of the store at this address, as [name, message]; empty for a malformed address. */
export function findStoreProblems(
  url: string,
  values: Readonly<Record<string, unknown>>,
  variables: VariablePrefix,
): [string, string][] {
  const parsed = parseAddress(url);
  if (typeof parsed === 'string') return [];
  const { kind } = parsed;
  const settings = Object.fromEntries(
    Object.keys(kind.shape).map((name) => [name, values[`${variables}${name}`] as string | undefined]),
  );
  return kind.problems(settings).map(([name, message]) => [`${variables}${name}`, message]);
}

/** The store of an address that `storeUrl` has accepted, without retries. */
export function openStore(url: string, settings: StoreSettings, context: StoreContext): ObjectStore {
  const parsed = parseAddress(url);
  if (typeof parsed === 'string') throw new TypeError('not a store URL');
  const { kind, place } = parsed;
  return lazyStore(() => kind.open(place, settings, context));
}

/** The place of an address that `storeUrl` has accepted; null for an address of another kind. */
export function placeOf<P extends object>({ begin }: StoreKind<P>, url: string): P | null {
  const parsed = parseAddress(url);
  return typeof parsed !== 'string' && parsed.kind.begin === begin ? (parsed.place as P) : null;
}

interface StoreAddress {
  readonly kind: StoreKind<unknown>;
  readonly place: unknown;
}

/** The kind and the place; a string is a problem, to be printed after the variable's name. */
function parseAddress(text: string): StoreAddress | string {
  if (/[\x00-\x1f\x7f-\x9f\u200b\u2028\u2029\ufeff]/.test(text)) return 'holds a line end or another control character';
  if (text.trim() !== text || text === '') return 'begins or ends with a blank';
  if (/[%?#\\]/.test(text)) return 'must not hold %, ?, # or a backslash: write bucket, prefix or folder as they are';
  const kind = STORE_KINDS.find(({ begin }) => text.startsWith(begin)) as StoreKind<unknown> | undefined;
  if (kind === undefined) return `must be ${STORE_KINDS.map(({ form }) => form).join(' or ')}`;
  const rest = text.slice(kind.begin.length);
  const place = kind.place(rest.endsWith('/') ? rest.slice(0, -1) : rest);
  return typeof place === 'string' ? place : { kind, place };
}

/** A store that calls `open` once, at the first operation. */
function lazyStore(open: () => ObjectStore | Promise<ObjectStore>): ObjectStore {
  let opened: Promise<ObjectStore> | undefined;
  const store = (): Promise<ObjectStore> => (opened ??= Promise.resolve(open()));
  return {
    read: async (name) => (await store()).read(name),
    create: async (name, body) => (await store()).create(name, body),
    swap: async (name, body, etag) => (await store()).swap(name, body, etag),
    remove: async (name) => (await store()).remove(name),
    async *list(prefix) {
      yield* (await store()).list(prefix);
    },
    async *folders(prefix) {
      yield* (await store()).folders(prefix);
    },
  };
}
