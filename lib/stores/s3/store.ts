import { createHash } from 'node:crypto';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3';
import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { CreateResult, ObjectStore, StoredBody, StoredObject } from '../../ports/store.js';
import {
  isNoSuchKey,
  isPreconditionFailed,
  s3Error,
  type S3Variables,
  demandsChecksum,
  refusesChecksum,
} from './errors.js';
import { checkFolder, checkName, checkPrefix, isObjectName, maxObjectBytes, NOT_READ } from '../kind.js';

/**
 * Static keys, a provider of temporary ones such as `awsWebIdentity`, or the AWS SDK's default chain: AWS_ variables of
 * the process, a profile (with SSO or a process), a web identity file, the metadata service of a container or machine.
 * `chain.profile`: AWS_PROFILE of an env file, which the SDK does not read.
 */
export type S3Credentials =
  NonNullable<S3ClientConfig['credentials']> | { readonly chain: Pick<S3ClientConfig, 'profile'> };

export interface S3StoreOptions {
  readonly bucket: string;
  /** Put before every name, with a slash in between; empty: the whole bucket. */
  readonly prefix: string;
  readonly region: string;
  /** Base URL of an S3-compatible store. Default: AWS. */
  readonly endpoint?: string;
  readonly credentials: S3Credentials;
  /** Where the credentials come from, in words for the operator. */
  readonly credentialSource?: string;
  /** Prefix of the variables that set this bucket; for hints. Default `S3_`. */
  readonly variables?: S3Variables;
  /** Longest wait for a connection, and for a whole answer, in milliseconds. */
  readonly timeouts?: { readonly connectMs: number; readonly requestMs: number };
  /** Clock for the time in signatures. */
  readonly clock?: Clock;
}

type Condition = { readonly IfNoneMatch: '*' } | { readonly IfMatch: string };

/** For a name that other processes keep creating and removing. */
const CREATE_ATTEMPTS = 10;

/** The object after a conditional write: our bytes (written now or before), other bytes, or no object. */
type WriteResult = { readonly ours: string } | { readonly other: string } | 'absent';

/**
 * Objects in an S3 bucket that honours conditional writes (AWS since November 2024, see "Add preconditions to S3
 * operations" in its user guide). One request per call, without retries: wrap the store in `retryingStore`.
 */
export function s3Store(options: S3StoreOptions): ObjectStore {
  const { bucket: Bucket } = options;
  const root = options.prefix.replace(/^\/+|\/+$/g, '');
  const base = root === '' ? '' : `${root}/`;
  const client = s3Client(options);
  const checksums = openChecksums(options.endpoint === undefined);
  let sendsBareEtags = false;

  async function withS3Errors<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw s3Error(Bucket, error, {
        source: options.credentialSource ?? null,
        variables: options.variables ?? 'S3_',
      });
    }
  }
  const keyOf = (name: string): string => {
    checkName(name);
    return `${base}${name}`;
  };

  async function get(Key: string): Promise<StoredBody | null> {
    try {
      const answer = await client.send(new GetObjectCommand({ Bucket, Key }));
      if ((answer.ContentLength ?? 0) > maxObjectBytes(Key)) {
        (answer.Body as { destroy?: () => void } | undefined)?.destroy?.();
        return { body: NOT_READ, etag: assertEtag(answer) };
      }
      const bytes = (await answer.Body?.transformToByteArray()) ?? new Uint8Array();
      if (bytes.length !== (answer.ContentLength ?? bytes.length)) throw brokenAnswerError('object is cut short');
      return { body: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), etag: assertEtag(answer) };
    } catch (error) {
      if (isNoSuchKey(error)) return null;
      throw error;
    }
  }

  async function put(Key: string, body: Uint8Array, condition: Condition): Promise<WriteResult> {
    try {
      const answer = await checksums.put(body, (checksum) =>
        client.send(new PutObjectCommand({ Bucket, Key, Body: body, ...condition, ...checksum })),
      );
      return { ours: assertEtag(answer) };
    } catch (error) {
      if (isNoSuchKey(error)) return 'absent';
      if (!isPreconditionFailed(error)) throw error;
      const found = await get(Key);
      if (found === null) return 'absent';
      return found.body.equals(body) ? { ours: found.etag } : { other: found.etag };
    }
  }

  async function create(Key: string, body: Uint8Array): Promise<CreateResult> {
    for (let attempt = 1; attempt <= CREATE_ATTEMPTS; attempt++) {
      const written = await put(Key, body, { IfNoneMatch: '*' });
      // 'absent': the object existed during the write and is gone now, so only another write shows whether the name is free.
      if (written !== 'absent') {
        return 'ours' in written ? { created: true, etag: written.ours } : { created: false };
      }
    }
    throw brokenAnswerError('store refuses the object as existing, but does not have it');
  }

  async function swap(Key: string, body: Uint8Array, etag: string): Promise<string | null> {
    const attempt = () => put(Key, body, { IfMatch: sendsBareEtags ? etag.replaceAll('"', '') : etag });
    let written = await attempt();
    if (typeof written === 'object' && 'other' in written && written.other === etag) {
      // Refused although the etag is right: Ceph compares etags without the quotes of RFC 9110.
      sendsBareEtags = !sendsBareEtags;
      written = await attempt();
    }
    return typeof written === 'object' && 'ours' in written ? written.ours : null;
  }

  async function* pages(Prefix: string, Delimiter?: string): AsyncGenerator<ListObjectsV2CommandOutput> {
    let ContinuationToken: string | undefined;
    do {
      const page = await withS3Errors(() =>
        client.send(new ListObjectsV2Command({ Bucket, Prefix: `${base}${Prefix}`, Delimiter, ContinuationToken })),
      );
      yield page;
      ContinuationToken = page.IsTruncated === true ? page.NextContinuationToken : undefined;
      if (page.IsTruncated === true && ContinuationToken === undefined) throw brokenAnswerError('list is cut short');
    } while (ContinuationToken !== undefined);
  }

  return {
    read: (name) => withS3Errors(() => get(keyOf(name))),
    create: (name, body) => withS3Errors(() => create(keyOf(name), body)),
    swap: (name, body, etag) => withS3Errors(() => swap(keyOf(name), body, etag)),
    remove: (name) =>
      withS3Errors(async () => {
        await client.send(new DeleteObjectCommand({ Bucket, Key: keyOf(name) }));
      }),
    async *list(prefix): AsyncGenerator<StoredObject> {
      checkPrefix(prefix);
      for await (const page of pages(prefix)) {
        for (const { ETag, Key, Size, LastModified } of page.Contents ?? []) {
          const object = toStoredObject(Key?.slice(base.length), Size, LastModified);
          if (object !== null) yield ETag === undefined ? object : { ...object, version: ETag };
        }
      }
    },
    async *folders(prefix) {
      checkFolder(prefix);
      const found: string[] = [];
      for await (const page of pages(prefix, '/')) {
        const names = (page.CommonPrefixes ?? []).map((entry) => entry.Prefix?.slice(base.length, -1) ?? '');
        found.push(...names.filter(isObjectName).map((name) => name.slice(prefix.length)));
      }
      // The store sorts folders with their slash, which puts "a-b/" before "a/".
      yield* found.sort();
    },
  };
}

/** A client without retries, for one bucket. */
export function s3Client(options: S3StoreOptions): S3Client {
  return new S3Client(clientConfig(options));
}

function clientConfig({ bucket, region, endpoint, credentials, timeouts, clock }: S3StoreOptions) {
  const { connectMs, requestMs } = timeouts ?? { connectMs: 5_000, requestMs: 60_000 };
  return {
    region,
    ...('chain' in credentials ? credentials.chain : { credentials }),
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: connectMs,
      requestTimeout: requestMs,
      socketTimeout: requestMs,
      throwOnRequestTimeout: true,
    },
    ...(clock === undefined ? {} : { systemClockOffset: clock.now() - Date.now() }),
    // AWS's certificate covers one label before the service's name: a bucket with a dot has to go into the path.
    ...(bucket.includes('.') ? { forcePathStyle: true } : {}),
    // Compatible stores may not know bucket subdomains or the checksum headers that AWS introduced in 2025.
    ...(endpoint === undefined
      ? {}
      : {
          endpoint,
          forcePathStyle: true,
          requestChecksumCalculation: 'WHEN_REQUIRED' as const,
          responseChecksumValidation: 'WHEN_REQUIRED' as const,
        }),
  };
}

/** Null for objects that this program did not write, such as the empty "folder" objects of web consoles. */
function toStoredObject(name = '', size?: number, modified?: Date): StoredObject | null {
  if (!isObjectName(name)) return null;
  // With 0 for the time, the object would be of 1970, and a prune would remove it.
  if (size === undefined || modified === undefined) throw brokenAnswerError('list leaves out sizes or times');
  return { name, size, modifiedAt: modified.getTime() };
}

function assertEtag(answer: { ETag?: string | undefined }): string {
  if (answer.ETag === undefined) throw brokenAnswerError('answer has no ETag');
  return answer.ETag;
}

function brokenAnswerError(what: string): AppError {
  return new AppError('store-unavailable', `The ${what}`, {
    hint: 'Check S3_ENDPOINT: it may not be an S3 service, or a proxy may stand in between. Otherwise try again.',
    transient: true,
  });
}

/** The parameters of a write with which the store checks the bytes. */
type Checksum = Pick<PutObjectCommandInput, 'ContentMD5' | 'ChecksumAlgorithm'>;
type Mode = 'plain' | 'md5' | 'crc32';

/**
 * Checksums of writes, adapted to the store. AWS gets the SDK's own. Compatible stores get none at first, since some refuse
 * unknown headers. A bucket with Object Lock and a default retention demands a checksum, which only its refusal shows: then
 * `Content-MD5`, which is as old as S3, is sent with this write and all later ones, and CRC32 if that is not enough.
 */
function openChecksums(isAws: boolean) {
  let mode: Mode = isAws ? 'crc32' : 'plain';
  return {
    async put<T>(body: Uint8Array, send: (checksum: Checksum) => Promise<T>): Promise<T> {
      const triedModes = new Set<Mode>();
      for (;;) {
        const current = mode;
        triedModes.add(current);
        try {
          return await send(toChecksum(current, body, isAws));
        } catch (error) {
          const next = nextMode(current, error);
          if (next === null || triedModes.has(next)) throw error;
          // Concurrent writes reach the same mode, in any order.
          mode = next;
        }
      }
    },
  };
}

function nextMode(mode: Mode, error: unknown): Mode | null {
  if (demandsChecksum(error)) return mode === 'plain' ? 'md5' : 'crc32';
  return mode !== 'plain' && refusesChecksum(error) ? (mode === 'crc32' ? 'md5' : null) : null;
}

function toChecksum(mode: Mode, body: Uint8Array, isAws: boolean): Checksum {
  if (mode === 'md5') return { ContentMD5: createHash('md5').update(body).digest('base64') };
  return mode === 'crc32' && !isAws ? { ChecksumAlgorithm: 'CRC32' } : {};
}
