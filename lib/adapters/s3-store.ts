import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { AppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { CreateResult, ObjectStore, StoredBody, StoredObject } from '../ports/store.js';
import type { S3Credentials } from './s3-credentials.js';
import { isNoSuchKey, isPreconditionFailed, s3Error } from './s3-errors.js';
import { checkFolder, checkName, checkPrefix, isObjectName } from './store-names.js';

export interface S3StoreOptions {
  readonly bucket: string;
  /** Put before every name, with a slash in between; empty for the whole bucket. */
  readonly prefix: string;
  readonly region: string;
  /** Base URL of an S3-compatible store; AWS when left out. */
  readonly endpoint?: string;
  readonly credentials: S3Credentials;
  /** Longest wait for a connection, and for a whole answer, in milliseconds. */
  readonly timeouts?: { readonly connectMs: number; readonly requestMs: number };
  /** Requests are signed with its time. */
  readonly clock?: Clock;
}

/**
 * Objects in an S3 bucket that honours conditional writes (AWS since November 2024, see "Add preconditions to S3
 * operations" in its user guide). One request a call, without a retry: wrap it in `retryingStore`.
 */
export function s3Store(options: S3StoreOptions): ObjectStore {
  const { bucket: Bucket } = options;
  const root = options.prefix.replace(/^\/+|\/+$/g, '');
  const base = root === '' ? '' : `${root}/`;
  const client = new S3Client(clientConfig(options));

  async function guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw s3Error(Bucket, error);
    }
  }
  const keyOf = (name: string): string => {
    checkName(name);
    return `${base}${name}`;
  };

  async function get(Key: string): Promise<StoredBody | null> {
    try {
      const answer = await client.send(new GetObjectCommand({ Bucket, Key }));
      const bytes = (await answer.Body?.transformToByteArray()) ?? new Uint8Array();
      if (bytes.length !== (answer.ContentLength ?? bytes.length)) throw brokenAnswer('object is cut short');
      return { body: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), etag: etagIn(answer) };
    } catch (error) {
      if (isNoSuchKey(error)) return null;
      throw error;
    }
  }

  /** The new etag; null if the condition does not hold, unless that is because these very bytes are there already. */
  async function put(Key: string, body: Uint8Array, condition: object): Promise<string | null | 'absent'> {
    try {
      return etagIn(await client.send(new PutObjectCommand({ Bucket, Key, Body: body, ...condition })));
    } catch (error) {
      if (isNoSuchKey(error)) return 'absent';
      if (!isPreconditionFailed(error)) throw error;
      const found = await get(Key);
      if (found === null) return 'absent';
      return found.body.equals(body) ? found.etag : null;
    }
  }

  async function create(name: string, body: Uint8Array): Promise<CreateResult> {
    const etag = await put(keyOf(name), body, { IfNoneMatch: '*' });
    // It was there when we wrote and is gone now: whether the name is free can only be told by writing again.
    if (etag === 'absent') throw brokenAnswer('object was removed while it was being created');
    return etag === null ? { created: false } : { created: true, etag };
  }

  async function* pages(Prefix: string, Delimiter?: string): AsyncGenerator<ListObjectsV2CommandOutput> {
    let ContinuationToken: string | undefined;
    do {
      const page = await guarded(() =>
        client.send(new ListObjectsV2Command({ Bucket, Prefix: `${base}${Prefix}`, Delimiter, ContinuationToken })),
      );
      yield page;
      ContinuationToken = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (ContinuationToken !== undefined);
  }

  return {
    read: (name) => guarded(() => get(keyOf(name))),
    create: (name, body) => guarded(() => create(name, body)),
    swap: (name, body, etag) =>
      guarded(async () => {
        const written = await put(keyOf(name), body, { IfMatch: etag });
        return written === 'absent' ? null : written;
      }),
    remove: (name) =>
      guarded(async () => {
        await client.send(new DeleteObjectCommand({ Bucket, Key: keyOf(name) }));
      }),
    async *list(prefix) {
      checkPrefix(prefix);
      for await (const page of pages(prefix)) {
        for (const { Key, Size, LastModified } of page.Contents ?? []) {
          const object = describe(Key?.slice(base.length), Size, LastModified);
          if (object !== null) yield object;
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
      // The store sorts them with their slash, which puts "a-b/" before "a/".
      yield* found.sort();
    },
  };
}

function clientConfig({ region, endpoint, credentials, timeouts, clock }: S3StoreOptions) {
  const { connectMs, requestMs } = timeouts ?? { connectMs: 5_000, requestMs: 60_000 };
  return {
    region,
    credentials,
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: connectMs,
      requestTimeout: requestMs,
      socketTimeout: requestMs,
      throwOnRequestTimeout: true,
    },
    ...(clock === undefined ? {} : { systemClockOffset: clock.now() - Date.now() }),
    // Compatible stores need not know bucket subdomains nor the checksum headers that AWS introduced in 2025.
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

/** Null for what is in the bucket but not of our making, such as the empty "folder" objects of web consoles. */
function describe(name = '', size = 0, modified?: Date): StoredObject | null {
  return isObjectName(name) ? { name, size, modifiedAt: modified?.getTime() ?? 0 } : null;
}

function etagIn(answer: { ETag?: string | undefined }): string {
  if (answer.ETag === undefined) throw brokenAnswer('answer has no ETag');
  return answer.ETag;
}

function brokenAnswer(what: string): AppError {
  return new AppError('store-unavailable', `The ${what}`, {
    hint: 'The store or the network in between misbehaves, or other processes are at the same object; try again.',
    transient: true,
  });
}
