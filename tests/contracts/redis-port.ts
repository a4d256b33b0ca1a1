import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { batchTests, transactionTests } from './redis-port/batches.js';
import { removeKeys, toFixture, type Define, type Fixture, type OpenRedis } from './redis-port/fixture.js';
import { byteTests, propertyTests, valueTests } from './redis-port/values.js';

export type { OpenRedis } from './redis-port/fixture.js';

/** The contract of every RedisPort. `open` is called once; only keys of the suite are changed. */
export function redisPortContract(name: string, open: () => Promise<OpenRedis>): void {
  describe(`RedisPort: ${name}`, () => {
    let fixture: Fixture;
    const test: Define = (title, run) => it(title, () => run(fixture));

    beforeAll(async () => {
      fixture = toFixture(await open());
    });
    afterAll(async () => {
      await removeKeys(fixture);
      await fixture.close();
    });

    valueTests(test);
    byteTests(test);
    propertyTests(test);
    batchTests(test);
    transactionTests(test);
  });
}
