import { afterAll, beforeAll } from '@jest/globals';
import { systemClock } from '../../lib/services/clock.js';
import { retryingStore } from '../../lib/stores/retrying.js';
import { s3Store } from '../../lib/stores/s3/store.js';
import { type Radosgw, startRadosgw } from '../../dev/radosgw/index.js';
import { objectStoreContract } from '../contracts/object-store.js';

let ceph: Radosgw;
let opened = 0;

beforeAll(async () => {
  ceph = await startRadosgw();
  await ceph.createBucket('backup');
});
afterAll(async () => {
  await ceph.stop();
});

const open = () =>
  Promise.resolve(s3Store({ ...ceph, credentials: ceph, bucket: 'backup', prefix: `deep/prefix-${opened++}/` }));

objectStoreContract('s3Store over radosgw', open);
objectStoreContract('s3Store over radosgw with retries', async () => retryingStore(await open(), systemClock()), 1100);
