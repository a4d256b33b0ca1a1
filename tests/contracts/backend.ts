import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Backend, BackendStats } from '../../lib/ports/backend.js';

/** A backend that runs, with something to tell of the projects that `has` gave it. */
export interface BackendRig {
  readonly backend: Backend;
  has(project: string, stats: BackendStats): void;
  /** From now on the backend says that it is not well. */
  sicken(): void;
  /** From now on nobody answers. */
  stop(): Promise<void>;
}

/** What every Backend has to do. */
export function backendContract(name: string, open: () => Promise<BackendRig>): void {
  describe(`${name} as a Backend`, () => {
    let rig: BackendRig;
    beforeAll(async () => {
      rig = await open();
    });
    afterAll(() => rig.stop());

    it('is there, and well', async () => {
      expect(rig.backend.configured).toBe(true);
      expect(await rig.backend.healthy()).toBe(true);
    });

    it.each(['p1', 'a&project_id=p1', '*', 'é 👋', '../health', '%2e'])('tells the counts of %s', async (project) => {
      const stats = { feedback: 12, clusters: 3, bySource: { reddit: 7, sentry: 5, manual: 0 } };
      rig.has('p1', { feedback: 1, clusters: 1, bySource: {} });
      rig.has(project, stats);
      expect(await rig.backend.stats(project)).toEqual(stats);
    });

    it('tells that it is not well', async () => {
      rig.sicken();
      expect(await rig.backend.healthy()).toBe(false);
    });

    it('fails with what may pass when nobody answers', async () => {
      await rig.stop();
      const expected = { code: 'backend-unavailable', transient: true };
      await expect(rig.backend.stats('p1')).rejects.toMatchObject(expected);
      await expect(rig.backend.healthy()).rejects.toMatchObject(expected);
    });
  });
}
