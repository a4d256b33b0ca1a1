import { AppError } from '../../lib/errors.js';
import { DATA_INCIDENTS } from './data.js';
import { makeHealthy, reasonsOf, statusOf } from './healthy.js';
import type { IncidentOutcome, Incident, Scene } from './model.js';
import { SCHEDULE_INCIDENTS } from './schedules.js';
import { SERVICE_INCIDENTS } from './services.js';

export type { Incident, Scene } from './model.js';

export const INCIDENTS: readonly Incident[] = [...DATA_INCIDENTS, ...SCHEDULE_INCIDENTS, ...SERVICE_INCIDENTS];

/** A started incident, as shown to the operator. */
export interface StartedIncident {
  readonly incident: string;
  readonly sees: string;
  readonly section: string;
  readonly variables: Readonly<Record<string, string>>;
  /** What `mend` repairs; null when the section's commands repair everything. */
  readonly mend: string | null;
}

/** The status after `mend`. */
export interface MendResult {
  readonly incident: string | null;
  readonly ended: string | null;
  readonly state: string;
  readonly reasons: readonly string[];
}

/** Throws `usage` for an unknown name. */
export function findIncident(name: string): Incident {
  const found = INCIDENTS.find((one) => one.name === name);
  if (found !== undefined) return found;
  throw new AppError('usage', `There is no incident ${JSON.stringify(name)}`, {
    hint: 'See them: npx soulcaster-backup dev --incident list',
  });
}

/** Runs incidents on a scene, one at a time. */
export function createRehearsal(scene: Scene) {
  let current: { readonly name: string; readonly mend: IncidentOutcome['mend'] } | null = null;

  async function end(): Promise<string | null> {
    const mend = current?.mend;
    current = current === null ? null : { name: current.name, mend: undefined };
    await mend?.end();
    return mend?.words ?? null;
  }

  return {
    /** Repairs the last incident, makes sure that the status is ok, then starts the incident. */
    async begin(name: string): Promise<StartedIncident> {
      const incident = findIncident(name);
      if (incident.needsS3 === true && scene.stack.urls.s3 === null) {
        throw new AppError('usage', `The incident ${name} needs a bucket, and the store of this stack is a folder`, {
          hint: `Stop the stack, then: npx soulcaster-backup dev --s3 --incident ${name}`,
        });
      }
      await end();
      await makeHealthy(scene);
      const { mend, variables = {} } = await incident.begin(scene);
      current = { name, mend };
      return { incident: name, sees: incident.sees, section: incident.section, variables, mend: mend?.words ?? null };
    },
    async mend(): Promise<MendResult> {
      const name = current?.name ?? null;
      const ended = await end();
      const report = await statusOf(await scene.context());
      return { incident: name, ended, state: report.state, reasons: reasonsOf(report) };
    },
  };
}

export type RunningRehearsal = ReturnType<typeof createRehearsal>;
