import { fullApp } from '../app/app.js';
import { functionsCanOpen } from '../app/settings.js';
import { drillSchema } from '../restore/drill/record.js';
import { startDrill } from '../restore/drill/run.js';
import { carryOut, errorOfRun, runEnvironment } from './carry-out.js';
import type { Context } from './context.js';
import { count, duration } from './output/format.js';
import { facts } from './output/table.js';
import { finishCommand } from './restore/ending.js';

/** The recovery time objective, in milliseconds. */
const OBJECTIVE_MS = 4 * 3_600_000;

/**
 * `drill`: restores the newest verified snapshot into the scratch database and prints the result. Exit 0 when it passed, 3 when
 * it could not be attempted, else the error's exit code. Runs in this process with `local`, and always if the functions have
 * no identity for encrypted snapshots.
 */
export async function drill(context: Context, options: { readonly local?: boolean }): Promise<number> {
  // The functions cannot open encrypted snapshots without an identity.
  const local = options.local === true || !functionsCanOpen(context.env);
  const app = fullApp(runEnvironment(context.env, local), { log: context.log });
  const run = await carryOut(context, app, await startDrill(app.ports, app.engine, 'cli'));
  const drilled = drillSchema.safeParse(run.result).data;
  if (drilled !== undefined) {
    const { keys, milliseconds, outcome, reason, restoredMilliseconds, snapshot } = drilled;
    const toService = restoredMilliseconds ?? milliseconds;
    const within = toService !== null && toService <= OBJECTIVE_MS ? 'within' : 'OVER';
    context.print(
      facts([
        ['drill', outcome],
        ['snapshot', `${snapshot ?? 'none'}, ${count(keys)} keys`],
        ...(reason === null ? [] : [['reason', reason] as const]),
        ...(milliseconds === null || toService === null
          ? []
          : [
              ['restored', `in ${duration(toService)}, ${within} the objective of 4 h`] as const,
              ['proven', `in ${duration(milliseconds)}`] as const,
            ]),
      ]),
    );
  }
  return finishCommand(context, run, errorOfRun(run));
}
