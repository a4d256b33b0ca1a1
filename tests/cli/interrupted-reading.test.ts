import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Context } from '../../lib/cli/context.js';
import { cat, ls } from '../../lib/cli/inspect/read.js';
import { diff } from '../../lib/cli/inspect/diff.js';
import { find } from '../../lib/cli/inspect/find.js';
import { AppError } from '../../lib/errors.js';
import { silentLog } from '../../lib/app/in-process.js';
import { openInspectBench, PARTS, type InspectBench } from '../inspect/bench.js';

let bench: InspectBench;
let id: string;
beforeAll(async () => {
  bench = await openInspectBench();
  await bench.database.redis.set('key', 'value');
  ({ id } = await bench.takeWhole({ settings: PARTS }));
});
afterAll(() => bench.stop());

const nothing = (): void => undefined;
const context = (interrupt: AbortSignal): Context => ({
  env: { BACKUP_STORE: pathToFileURL(bench.folder.folder).href },
  json: true,
  onTerminal: false,
  nameInHints: () => undefined,
  interrupt,
  print: nothing,
  document: nothing,
  note: nothing,
  log: silentLog(),
});

describe('a command that reads snapshots', () => {
  const commands: [string, (context: Context) => Promise<number>][] = [
    ['find', (here) => find(here, 'no such text', { in: id, limit: 10 })],
    ['find --all', (here) => find(here, 'no such text', { all: true, limit: 10 })],
    ['ls', (here) => ls(here, id, { match: ['none'] })],
    ['cat', (here) => cat(here, id, 'none', {})],
    ['diff', (here) => diff(here, id, id, {})],
  ];

  it.each(commands)('%s stops on an interrupt', async (_, command) => {
    const reason = new AppError('interrupted', 'The command was interrupted by SIGINT', { hint: '' });
    await expect(command(context(AbortSignal.abort(reason)))).rejects.toMatchObject({ code: 'interrupted' });
  });
});
