import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Backend, BackendStats } from '../../lib/ports/backend.js';

/** A running backend with statistics of the projects that `has` gave it. */
export interface BackendRig {
  readonly backend: Backend;
  has(project: string, stats: BackendStats): void;
  /** From now on the backend reports itself as unhealthy. */
  sicken(): void;
  /** From now on the backend does not respond. */
  stop(): Promise<void>;
}

/** The contract of every Backend. */
export function backendContract(name: string, open: () => Promise<BackendRig>): void {
  describe(`${name} as a Backend`, () => {
    let rig: BackendRig;
    beforeAll(async () => {
      rig = await open();
    });
    afterAll(() => rig.stop());

    it('is configured and healthy', async () => {
      expect(rig.backend.configured).toBe(true);
      expect(await rig.backend.healthy()).toBe(true);
    });

    it.each(['p1', 'a&project_id=p1', '*', 'é 👋', '../health', '%2e'])('returns the counts of %s', async (project) => {
      const stats = { feedback: 12, clusters: 3, bySource: { reddit: 7, sentry: 5, manual: 0 } };
      rig.has('p1', { feedback: 1, clusters: 1, bySource: {} });
      rig.has(project, stats);
      expect(await rig.backend.stats(project)).toEqual(stats);
    });

    it('reports that it is unhealthy', async () => {
      rig.sicken();
      expect(await rig.backend.healthy()).toBe(false);
    });

    it('throws a transient error when it does not respond', async () => {
      await rig.stop();
      const expected = { code: 'backend-unavailable', transient: true };
      await expect(rig.backend.stats('p1')).rejects.toMatchObject(expected);
      await expect(rig.backend.healthy()).rejects.toMatchObject(expected);
    });
  });
}
