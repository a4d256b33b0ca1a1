import { z } from 'zod';
import type { ObjectStore } from '../ports/store.js';
import { fileStore } from './file/store.js';
import { segmentProblem, type StoreContext, type StoreKind, type StoreSettings, type VariablePrefix } from './kind.js';
import { s3Kind } from './s3/kind.js';
import { allOf } from '../variable-forms.js';

/** A folder, by its absolute path without a slash at its end. */
const fileKind = {
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

const STORE_KINDS = [s3Kind, fileKind];

/** Every variable of the first store, but for its address. */
export const STORE_SHAPE = allOf<(typeof STORE_KINDS)[number]['shape' | 'shared']>(
  STORE_KINDS.flatMap(({ shape, shared }) => [shape, shared]),
);

/** Variables of which the second store has its own, with REPLICA_ before them. */
export const STORE_NAMES = STORE_KINDS.flatMap(({ shape }) => Object.keys(shape));

/** An address of a store, written plainly: nothing in it is decoded, dropped or resolved. */
export const storeUrl = z.string().superRefine((text, context) => {
  const found = parse(text);
  if (typeof found === 'string') context.addIssue({ code: 'custom', message: found });
});

/** What is wrong with the variables of the store of this address, as [name, message]; nothing of an address that is none. */
export function storeProblems(
  url: string,
  values: Readonly<Record<string, unknown>>,
  variables: VariablePrefix,
): [string, string][] {
  const parsed = parse(url);
  if (typeof parsed === 'string') return [];
  const { kind } = parsed;
  const settings = Object.fromEntries(
    Object.keys(kind.shape).map((name) => [name, values[`${variables}${name}`] as string | undefined]),
  );
  return kind.problems(settings).map(([name, message]) => [`${variables}${name}`, message]);
}

/** The store of an address that `storeUrl` has accepted, without retries. */
export function openStore(url: string, settings: StoreSettings, context: StoreContext): ObjectStore {
  const parsed = parse(url);
  if (typeof parsed === 'string') throw new TypeError('not a store URL');
  const { kind, place } = parsed;
  return lazyStore(() => kind.open(place, settings, context));
}

/** The place of an address of this kind, which `storeUrl` has accepted; null for an address of another kind. */
export function placeOf<P extends object>({ begin }: StoreKind<P>, url: string): P | null {
  const parsed = parse(url);
  return typeof parsed !== 'string' && parsed.kind.begin === begin ? (parsed.place as P) : null;
}

interface Found {
  readonly kind: StoreKind<unknown>;
  readonly place: unknown;
}

/** The kind and the place, or what is wrong with the text, to be put behind the variable's name. */
function parse(text: string): Found | string {
  if (/[\x00-\x1f\x7f-\x9f\u200b\u2028\u2029\ufeff]/.test(text)) return 'holds a line end or another control character';
  if (text.trim() !== text || text === '') return 'begins or ends with a blank';
  if (/[%?#\\]/.test(text)) return 'must not hold %, ?, # or a backslash: write bucket, prefix or folder as they are';
  const kind = STORE_KINDS.find(({ begin }) => text.startsWith(begin)) as StoreKind<unknown> | undefined;
  if (kind === undefined) return `must be ${STORE_KINDS.map(({ form }) => form).join(' or ')}`;
  const rest = text.slice(kind.begin.length);
  const place = kind.place(rest.endsWith('/') ? rest.slice(0, -1) : rest);
  return typeof place === 'string' ? place : { kind, place };
}

/** The store that `open` gives, opened once, at the first call. */
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
