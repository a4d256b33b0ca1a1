import { describe, it } from '@jest/globals';
import { engines, type TestEngine } from './engines.js';

// Apart from engines.ts, which the hunt uses without Jest.

/**
 * A suite once for each engine that `isFor` names; one that is missing is named as skipped, and fails where CI=true asks
 * for all.
 */
export async function describeEngines(
  title: string,
  suite: (engine: TestEngine) => void,
  isFor: (engine: TestEngine) => boolean = () => true,
): Promise<void> {
  for (const engine of await engines()) {
    if ('program' in engine) {
      if (!isFor(engine)) continue;
      describe(`${title} (${engine.name})`, () => suite(engine));
      continue;
    }
    const words = `not tested on ${engine.name}: ${engine.missing}`;
    if (process.env['CI'] !== 'true') describe.skip(title, () => it(words, () => undefined));
    else
      it(`${title} (${engine.name})`, () => {
        throw new Error(words);
      });
  }
}
