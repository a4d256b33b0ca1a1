import { TestEnvironment } from 'jest-environment-node';
import vm from 'node:vm';

/**
 * Jest's environment for node, with a global object as any other program has one. Jest's own is one whose every access
 * calls out of the engine: `Math`, `Buffer` or `JSON` in a loop cost a fifth of all that the tests do. Node before 20.18
 * and 22.8 has no other.
 */
export default class PlainEnvironment extends TestEnvironment {
  /**
   * @param {import('@jest/environment').JestEnvironmentConfig} config
   * @param {import('@jest/environment').EnvironmentContext} context
   */
  constructor(config, context) {
    const { createContext } = vm;
    const { DONT_CONTEXTIFY } = vm.constants ?? {};
    if (DONT_CONTEXTIFY !== undefined) vm.createContext = () => createContext(DONT_CONTEXTIFY);
    try {
      super(config, context);
    } finally {
      vm.createContext = createContext;
    }
  }
}
