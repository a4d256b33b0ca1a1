import { fullApp } from '../../app.js';
import { findSnapshot } from '../../restore/choose.js';
import { runEnvironment } from '../carry-out.js';
import type { Context } from '../context.js';
import { sourceOf } from '../../snapshot/source.js';
import type { ShowOptions } from '../show.js';
import { notePassedOver } from '../trust.js';
import { showPlan, type OpenApp } from './dry-run.js';
import { diffRequest } from './request.js';

/**
 * `show --diff`: a snapshot against the live database, all of it or one project. Reads only.
 */
export async function diff(context: Context, wanted: string, options: ShowOptions): Promise<number> {
  const open: OpenApp = (inMemory) => fullApp(runEnvironment(context.env, true), { log: context.log, inMemory });
  const app = open(false);
  const { id, passedOver } = await findSnapshot(app.ports, sourceOf(app.ports.redis.host), wanted, null);
  notePassedOver(context, id, passedOver);
  return showPlan(context, open, { ...diffRequest(id, options.project), fromSource: options.fromSource === true });
}
