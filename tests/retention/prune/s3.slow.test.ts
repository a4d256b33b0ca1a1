import {
  DeleteObjectCommand,
  ListObjectVersionsCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../lib/services/clock.js';
import { silentLog } from '../../../lib/app/in-process.js';
import { retryingStore } from '../../../lib/stores/retrying.js';
import { s3Store } from '../../../lib/stores/s3/store.js';
import { replicate } from '../../../lib/retention/replica/replicate.js';
import { startRadosgw, type Radosgw } from '../../../dev/radosgw/index.js';
import type { ObjectStore } from '../../../lib/ports/store.js';
import { checkChain } from '../../../lib/snapshot/chain.js';
import { manifestName } from '../../../lib/snapshot/names.js';
import { tombstoneName } from '../../../lib/snapshot/tombstone.js';
import { findingsOf, UNSIGNED } from '../../support/made-snapshots.js';
import { days, listed, namesIn, noon, pruneIn } from './bench.js';

let ceph: Radosgw;
let client: S3Client;
beforeAll(async () => {
  ceph = await startRadosgw();
  client = new S3Client({ endpoint: ceph.endpoint, region: ceph.region, credentials: ceph, forcePathStyle: true });
  for (const bucket of ['versioned', 'plain', 'first', 'second', 'locked']) await ceph.createBucket(bucket);
});
afterAll(async () => {
  client.destroy();
  await ceph.stop();
});

const bucket = (name: string): ObjectStore =>
  retryingStore(s3Store({ ...ceph, credentials: ceph, bucket: name, prefix: 'nightly' }), systemClock());

/** Ceph (16.2) refuses every conditional write over an object of a bucket with versions: all but snapshots lies elsewhere. */
function withVersions(versioned: ObjectStore, plain: ObjectStore): ObjectStore {
  const of = (name: string): ObjectStore => (name.startsWith('snapshots/') ? versioned : plain);
  return {
    read: (name) => of(name).read(name),
    create: (name, body) => of(name).create(name, body),
    swap: (name, body, etag) => of(name).swap(name, body, etag),
    remove: (name) => of(name).remove(name),
    list: (prefix) => of(prefix).list(prefix),
    folders: (prefix) => of(prefix).folders(prefix),
  };
}

describe('prune of an S3 bucket', () => {
  it('removes snapshots of a bucket with versions, which keeps them as older versions', async () => {
    const Bucket = 'versioned';
    await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
    const store = withVersions(bucket(Bucket), bucket('plain'));
    const ids = await days(store, 4);
    expect(await pruneIn({ store })).toMatchObject({ finished: true, snapshots: { kept: 2, removed: 2 } });
    expect(await listed(store)).toEqual(ids.slice(0, 2));
    expect(await checkChain({ store, signer: UNSIGNED })).toEqual([]);
    const Prefix = `nightly/${manifestName(ids[3] ?? '')}`;
    const { Versions, DeleteMarkers } = await client.send(new ListObjectVersionsCommand({ Bucket, Prefix }));
    expect([Versions?.length, DeleteMarkers?.length]).toEqual([1, 1]);
    // The marker taken away brings the manifest back; then its tombstone means nothing, and somebody has to check it.
    const marker = DeleteMarkers?.[0]?.VersionId;
    await client.send(new DeleteObjectCommand({ Bucket, Key: Prefix, VersionId: marker }));
    expect(await listed(store)).toEqual([ids[0], ids[1], ids[3]]);
    expect((await pruneIn({ store })).decisions[2]).toEqual({ id: ids[3], keep: true, reasons: ['not-checked'] });
    expect(await checkChain({ store, signer: UNSIGNED })).toEqual([]);
  });

  it('counts snapshots that a policy of the bucket protects, and keeps them whole', async () => {
    const Bucket = 'locked';
    const store = bucket(Bucket);
    const ids = await days(store, 4);
    const statement = {
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:DeleteObject',
      Resource: `arn:aws:s3:::${Bucket}/nightly/snapshots/*`,
    };
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
    await client.send(new PutBucketPolicyCommand({ Bucket, Policy }));
    const result = await pruneIn({ store });
    expect(result.snapshots).toEqual({ kept: 2, removed: 0, keptByStore: 2, left: 0 });
    expect(result.keptByStore.names).toEqual([manifestName(ids[3] ?? ''), manifestName(ids[2] ?? '')]);
    expect(await listed(store)).toEqual(ids);
    expect(await namesIn(store, 'pruned/')).toEqual([]);
    for (const id of ids) expect(await findingsOf(store, noon(), id)).toEqual([]);
  });

  it('copies from one bucket to another, with earlier tombstones', async () => {
    const [store, replica] = [bucket('first'), bucket('second')];
    const ids = await days(store, 3);
    await pruneIn({ store });
    const ports = { clock: noon(), log: silentLog(), own: null, signer: UNSIGNED, store, replica };
    expect(await replicate(ports, { dryRun: false })).toMatchObject({ snapshots: 2, copied: 2, left: 0 });
    expect(await listed(replica)).toEqual(ids.slice(0, 2));
    for (const id of ids.slice(0, 2)) expect(await findingsOf(replica, noon(), id)).toEqual([]);
    expect(await replica.read(tombstoneName(ids[2] ?? ''))).not.toBeNull();
    expect(await replicate(ports, { dryRun: false })).toMatchObject({ copied: 0, bytes: 0 });
  });
});
