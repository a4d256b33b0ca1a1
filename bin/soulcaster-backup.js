#!/usr/bin/env -S node --max-old-space-size=512 --max-semi-space-size=4 --heap-growing-percent=100 --
// A heap with a limit collects its garbage early, which keeps the process under 250 MB whatever the database's size.
// The two dashes keep node from taking --env-file for one of its options.
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { main } from '../dist/bundle/lib/cli/main.js';

const LIMITED_BYTES = 1e9;
// Started as `node bin/...`, without the flags above: this one can still be set, and costs more time.
if (getHeapStatistics().heap_size_limit > LIMITED_BYTES) setFlagsFromString('--optimize-for-size');

const code = await main(process.argv.slice(2));
// A request that is being given up must not keep the process; what was written must get out first.
process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
