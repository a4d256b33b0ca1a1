import type { AppError } from '../../errors.js';
import { ok, warn, type CheckGroup, type Observation } from '../doctor.js';

/** What is known of the addresses to tell. `problem` is what the configuration has to say against them, or null. */
export interface AlertSettings {
  readonly webhook: boolean;
  readonly heartbeat: boolean;
  readonly problem: AppError | null;
}

/** Whether anybody is told when something is wrong. Nothing is sent: a test alert is an alert. */
export function alertChecks({ webhook, heartbeat, problem }: AlertSettings): CheckGroup {
  const judge = (): Observation => {
    if (!webhook) return warn('only the heartbeat is set', 'Set ALERT_WEBHOOK_URL as well: it says what is wrong.');
    if (!heartbeat) return warn('only the webhook is set', 'Set HEARTBEAT_URL as well: it notices when nothing runs.');
    return ok('webhook and heartbeat are set');
  };
  const look = () => (problem === null ? Promise.resolve(judge()) : Promise.reject(problem));
  return [{ name: 'alerts', look }];
}
