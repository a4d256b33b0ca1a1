#!/usr/bin/env -S node --
// The two dashes keep node from taking --env-file for an option of its own.
import { main } from '../dist/lib/cli/main.js';

const code = await main(process.argv.slice(2));
// A request that is being given up must not keep the process; what was written must get out first.
process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
