import { availableParallelism } from 'node:os';

const SLOW = '**/*.slow.test.ts';
const isSlow = process.env.TESTS === 'slow';
const isSlowNamed = process.argv.some((word) => word.includes('.slow.test'));

/** `npm test` leaves out what is slow by nature, unless its file is named; `npm run test:slow` runs nothing else. */
function suites() {
  if (isSlow) return [SLOW];
  return isSlowNamed ? ['**/*.test.ts'] : ['**/*.test.ts', `!${SLOW}`];
}

/** @type {import('jest').Config} */
export default {
  testEnvironment: '<rootDir>/tests/support/plain-environment.js',
  roots: ['<rootDir>/tests'],
  testMatch: suites(),
  testPathIgnorePatterns: ['/node_modules/', '/tests/scale/', '/tests/runbook/'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    // Packages of many files, which build.js has made one of: each suite loads them again.
    '^(@aws-sdk/client-s3|@upstash/qstash|age-encryption|ioredis|zod)$': '<rootDir>/dist/vendor/$1.js',
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      // Maps beside the code: inlined, they are two thirds of what each suite has to read.
      { sourceMaps: true, jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
  globalSetup: '<rootDir>/tests/support/global-setup.js',
  globalTeardown: '<rootDir>/tests/support/global-teardown.js',
  // For what hangs, on a machine that does ten other things as well.
  testTimeout: 1_800_000,
  // A worker is renewed after each suite, which leaves memory and hooks of promises behind that make the later ones slow.
  workerIdleMemoryLimit: '1MB',
  // Much of a test's time is waiting for servers and queues. Each of the slow ones starts many processes.
  maxWorkers: Math.ceil((isSlow ? 2 : 2.5) * availableParallelism()),
  testSequencer: '<rootDir>/tests/support/slowest-first.js',
  testEnvironmentOptions: { globalsCleanup: 'off' },
};
