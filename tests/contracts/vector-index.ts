import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { toFixture, type Fixture, type OpenVectorIndex } from './vector-index-fixture.js';
import { nameTests, limitTests } from './vector-index-limits.js';
import { queryTests, walkTests } from './vector-index-search.js';
import { removalTests, writeTests } from './vector-index-writes.js';

export type Define = (title: string, run: (fixture: Fixture) => Promise<void>) => void;

/**
 * The contract of every VectorIndex. `open` is called once; only namespaces of the suite are changed.
 */
export function vectorIndexContract(name: string, open: () => Promise<OpenVectorIndex>): void {
  describe(`VectorIndex: ${name}`, () => {
    let fixture: Fixture;
    const test: Define = (title, run) => it(title, () => run(fixture));

    beforeAll(async () => {
      fixture = await toFixture(await open());
    });
    afterAll(() => fixture.close());

    writeTests(test);
    removalTests(test);
    walkTests(test);
    queryTests(test);
    limitTests(test);
    nameTests(test);
  });
}
