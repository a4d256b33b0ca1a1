import { AppError } from '../../lib/errors.js';
import { DATA_INCIDENTS } from './data.js';
import { makeHealthy, reasonsOf, statusOf } from './healthy.js';
import type { Begun, Incident, Scene } from './model.js';
import { SCHEDULE_INCIDENTS } from './schedules.js';
import { SERVICE_INCIDENTS } from './services.js';

export type { Incident, Scene } from './model.js';

export const INCIDENTS: readonly Incident[] = [...DATA_INCIDENTS, ...SCHEDULE_INCIDENTS, ...SERVICE_INCIDENTS];

/** An incident that was begun, as an operator is told of it. */
export interface Told {
  readonly incident: string;
  readonly sees: string;
  readonly section: string;
  readonly variables: Readonly<Record<string, string>>;
  /** What `mend` ends; null where the section's own commands end all of it. */
  readonly mend: string | null;
}

/** How things are after `mend`. */
export interface Mended {
  readonly incident: string | null;
  readonly ended: string | null;
  readonly state: string;
  readonly reasons: readonly string[];
}

/** Throws `usage` for a name that is none. */
export function findIncident(name: string): Incident {
  const found = INCIDENTS.find((one) => one.name === name);
  if (found !== undefined) return found;
  throw new AppError('usage', `There is no incident ${JSON.stringify(name)}`, {
    hint: 'See them: npx soulcaster-backup dev --incident list',
  });
}

/** Incidents on one scene, one at a time. */
export function rehearsalOf(scene: Scene) {
  let current: { readonly name: string; readonly mend: Begun['mend'] } | null = null;

  async function end(): Promise<string | null> {
    const mend = current?.mend;
    current = current === null ? null : { name: current.name, mend: undefined };
    await mend?.end();
    return mend?.words ?? null;
  }

  return {
    /** Ends what the last incident left, makes sure that all is well, then breaks it. */
    async begin(name: string): Promise<Told> {
      const incident = findIncident(name);
      if (incident.needsS3 === true && scene.stack.urls.s3 === null) {
        throw new AppError('usage', `The incident ${name} takes a bucket, and the store of this stack is a folder`, {
          hint: `Stop the stack, then: npx soulcaster-backup dev --s3 --incident ${name}`,
        });
      }
      await end();
      await makeHealthy(scene);
      const { mend, variables = {} } = await incident.begin(scene);
      current = { name, mend };
      return { incident: name, sees: incident.sees, section: incident.section, variables, mend: mend?.words ?? null };
    },
    async mend(): Promise<Mended> {
      const name = current?.name ?? null;
      const ended = await end();
      const report = await statusOf(await scene.context());
      return { incident: name, ended, state: report.state, reasons: reasonsOf(report) };
    },
  };
}

export type RunningRehearsal = ReturnType<typeof rehearsalOf>;
