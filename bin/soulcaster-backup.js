#!/usr/bin/env -S node --max-semi-space-size=8 --
// A small young generation keeps the process small; the two dashes keep node from taking --env-file for its own.
import { main } from '../dist/lib/cli/main.js';

const code = await main(process.argv.slice(2));
// A request that is being given up must not keep the process; what was written must get out first.
process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
