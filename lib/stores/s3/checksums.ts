import { createHash } from 'node:crypto';
import type { PutObjectCommandInput } from '@aws-sdk/client-s3';
import { demandsChecksum, refusesChecksum } from './errors.js';

/** What goes with a write so that the store can check its bytes. */
type Checksum = Pick<PutObjectCommandInput, 'ContentMD5' | 'ChecksumAlgorithm'>;
type Mode = 'plain' | 'md5' | 'crc32';

/**
 * Checksums of writes, as the store takes them. AWS gets the SDK's own. Compatible stores get none at first, since some
 * refuse headers they do not know; a bucket with Object Lock and a default retention demands one, which only its refusal
 * tells: then `Content-MD5`, which is as old as S3, is sent with this write and all later ones, and CRC32 where even that
 * is not enough.
 */
export function s3Checksums(isAws: boolean) {
  let mode: Mode = isAws ? 'crc32' : 'plain';
  return {
    async put<T>(body: Uint8Array, send: (checksum: Checksum) => Promise<T>): Promise<T> {
      const tried = new Set<Mode>();
      for (;;) {
        const current = mode;
        tried.add(current);
        try {
          return await send(checksumOf(current, body, isAws));
        } catch (error) {
          const next = nextMode(current, error);
          if (next === null || tried.has(next)) throw error;
          // Writes side by side learn the same; the last word is as good as the first.
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

function checksumOf(mode: Mode, body: Uint8Array, isAws: boolean): Checksum {
  if (mode === 'md5') return { ContentMD5: createHash('md5').update(body).digest('base64') };
  return mode === 'crc32' && !isAws ? { ChecksumAlgorithm: 'CRC32' } : {};
}
