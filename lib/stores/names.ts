import { AppError } from '../errors.js';

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
