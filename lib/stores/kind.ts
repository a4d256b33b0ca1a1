import type { z } from 'zod';
import type { Clock } from '../ports/clock.js';
import type { ObjectStore } from '../ports/store.js';
import { AppError } from '../errors.js';

/** Values of a kind's variables, by the names in its shapes. */
export type StoreSettings = Readonly<Record<string, string | undefined>>;

/** Prefix of the second store's variables; the first store's have none. */
export type VariablePrefix = '' | 'REPLICA_';

/**
 * A kind of store, chosen by the beginning of the address. To add one: a folder with such an object, and an entry in
 * `STORE_KINDS` of `registry.ts`.
 */
export interface StoreKind<P> {
  /** How its addresses begin, such as `s3://`. */
  readonly begin: string;
  /** An example of its addresses, for messages. */
  readonly form: string;
  /** Variables of one store; the second store's have REPLICA_ before these names. */
  readonly shape: Readonly<Record<string, z.ZodType>>;
  /** Variables that both stores read under the same name. */
  readonly shared: Readonly<Record<string, z.ZodType>>;
  /** Parses the rest of an address after `begin`; a string is a problem, to be printed after the variable's name. */
  place(rest: string): P | string;
  /** What is wrong with the variables together, as [name, message]. */
  problems(settings: StoreSettings): readonly (readonly [string, string])[];
  /** A store without retries; a promise when an SDK has to be loaded first. */
  open(place: P, settings: StoreSettings, context: StoreContext): ObjectStore | Promise<ObjectStore>;
}

export interface StoreContext {
  readonly clock: Clock;
  readonly variables: VariablePrefix;
}

/** Two addresses must not name the same place: both stores would be one. */
export function findSegmentProblem(path: string): string | null {
  return path.split('/').some((segment) => ['', '.', '..'].includes(segment))
    ? 'must not hold //, /./ or /../, and must name a folder'
    : null;
}

const SEGMENT = /^[A-Za-z0-9._-]{1,200}$/;
const PARTIAL = /^[A-Za-z0-9._-]{0,200}$/;
/** S3 allows 1,024 bytes of key; the bucket's own prefix needs some of them. */
const MAX_NAME = 800;

/** Whether `name` is one that the ObjectStore contract allows. */
export function isObjectName(name: string): boolean {
  return name.length <= MAX_NAME && name.split('/').every(isSegment);
}

/** Throws `usage` unless `name` is one that the ObjectStore contract allows. */
export function checkName(name: string): void {
  if (!isObjectName(name)) throw badNameError('name', name);
}

/** Throws `usage` unless `prefix` can start an object's name; its last segment may be cut anywhere. */
export function checkPrefix(prefix: string): void {
  const segments = prefix.split('/');
  const last = segments.pop() ?? '';
  if (!segments.every(isSegment) || !PARTIAL.test(last)) throw badNameError('prefix', prefix);
}

/** Throws `usage` unless `prefix` is empty or a row of whole segments, each with its slash. */
export function checkFolder(prefix: string): void {
  checkPrefix(prefix);
  if (prefix !== '' && !prefix.endsWith('/')) throw badNameError('folder prefix', prefix);
}

function isSegment(segment: string): boolean {
  return SEGMENT.test(segment) && segment !== '.' && segment !== '..';
}

function badNameError(what: string, name: string): AppError {
  return new AppError('usage', `Not a valid object ${what}: ${JSON.stringify(name.slice(0, 100))}`, {
    hint: 'Names are relative, of the characters A-Z a-z 0-9 . _ - with single slashes between segments, and without "." and ".." segments.',
  });
}

const MIB = 1024 * 1024;

/** The body of an object that is larger than any object of this program. No reader accepts it as valid. */
export const NOT_READ = Buffer.alloc(0);

/**
 * Bytes of the largest object of that name: a larger one was not written by this program, and must not fill the memory.
 * A part holds 8 MiB of lines, and a whole record of 10 MiB at its end; the content of control objects is bounded.
 */
export function maxObjectBytes(name: string): number {
  return /(?:^|\/)part-[^/]+$/.test(name) ? 96 * MIB : 64 * MIB;
}
