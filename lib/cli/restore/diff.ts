import { fullApp } from '../../app.js';
import { findSnapshot } from '../../restore/choose.js';
import { runEnvironment } from '../carry-out.js';
import type { Context } from '../context.js';
import { showPlan } from './dry-run.js';
import { diffRequest } from './request.js';

/**
 * `show --diff`: a snapshot against the live database, all of it or one project. Reads only. Here `latest` is the one that
 * a restore would take.
 */
export async function diff(context: Context, wanted: string, project: string | undefined): Promise<number> {
  const app = fullApp(runEnvironment(context.env, true), { log: context.log });
  return showPlan(context, app, diffRequest(await findSnapshot(app.ports, wanted, null), project));
}
