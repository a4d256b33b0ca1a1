import { z } from 'zod';

const S3 = /^s3:\/\/([^/]*)(?:\/(.*))?$/s;
const FILE = /^file:\/\/(\/.*)$/s;
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
/** Characters of a prefix that every S3 service takes as they are. */
const SEGMENT = /^[A-Za-z0-9._~!$&'()*+,;=:@-]+$/;

/** Where snapshots are kept, once the text is known to be one that reads the same everywhere. */
export type StorePlace =
  | { readonly scheme: 's3'; readonly bucket: string; readonly prefix: string }
  | { readonly scheme: 'file'; readonly folder: string };

/** `s3://bucket/prefix` or `file:///folder`, written plainly: nothing in it is decoded, dropped or resolved. */
export const storeUrl = z.string().superRefine((text, context) => {
  const parsed = parse(text);
  if (typeof parsed === 'string') context.addIssue({ code: 'custom', message: parsed });
});

/** The place that a text names which `storeUrl` has accepted. */
export function storePlace(text: string): StorePlace {
  const parsed = parse(text);
  if (typeof parsed === 'string') throw new TypeError('not a store URL');
  return parsed;
}

/** The place, or what is wrong with the text, to be put behind the variable's name. */
function parse(text: string): StorePlace | string {
  if (/[\x00-\x1f\x7f-\x9f\u200b\u2028\u2029\ufeff]/.test(text)) return 'holds a line end or another control character';
  if (text.trim() !== text || text === '') return 'begins or ends with a blank';
  if (/[%?#\\]/.test(text)) return 'must not hold %, ?, # or a backslash: write bucket, prefix or folder as they are';
  const s3 = S3.exec(text);
  if (s3 !== null) return bucketPlace(s3[1] ?? '', s3[2] ?? '');
  const folder = FILE.exec(text)?.[1];
  if (folder === undefined) return 'must be s3://bucket/prefix or file:///folder';
  const segments = withoutLastSlash(folder).slice(1).split('/');
  return segmentProblem(segments) ?? { scheme: 'file', folder: withoutLastSlash(folder) };
}

function bucketPlace(bucket: string, path: string): StorePlace | string {
  if (bucket.includes('@')) return 'must not hold credentials: set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY';
  if (bucket.includes(':')) return 'must not hold a port: set S3_ENDPOINT';
  if (!BUCKET.test(bucket))
    return 'must be s3://bucket/prefix, with a bucket of 3 to 63 lower-case letters, digits, - and .';
  const prefix = withoutLastSlash(path);
  if (prefix === '') return { scheme: 's3', bucket, prefix };
  const segments = prefix.split('/');
  const problem = segmentProblem(segments);
  if (problem !== null) return problem;
  if (!segments.every((segment) => SEGMENT.test(segment)))
    return 'has a prefix with blanks or other unusual characters';
  return { scheme: 's3', bucket, prefix };
}

/** Two texts must not name one place: replica and store would be taken for two. */
function segmentProblem(segments: readonly string[]): string | null {
  return segments.some((segment) => ['', '.', '..'].includes(segment))
    ? 'must not hold //, /./ or /../, and must name a folder'
    : null;
}

function withoutLastSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path;
}
