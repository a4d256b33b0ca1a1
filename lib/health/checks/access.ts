import type { AppError } from '../../errors.js';
import { ok, warn, type CheckGroup } from '../doctor.js';

/** A secret that callers must know. `problem` is what the configuration has to say against it, or null. */
interface AccessSecret {
  readonly variable: string;
  readonly value: string;
  readonly problem: AppError | null;
}

/** Whether a secret was set as it should be, and is not used for something else as well. */
export function secretChecks(secret: AccessSecret, others: readonly string[]): CheckGroup {
  const look = () => {
    if (secret.problem !== null) return Promise.reject(secret.problem);
    if (others.includes(secret.value)) {
      return Promise.resolve(
        warn('another secret has the same value', 'Give each its own: whoever learns one must not hold the other.'),
      );
    }
    return Promise.resolve(ok(`${secret.variable} is set, ${secret.value.length} characters long`));
  };
  return [{ name: secret.variable === 'CRON_SECRET' ? 'cron-secret' : 'admin-token', run: look }];
}

const LOCAL_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]|0\.0\.0\.0|.*\.local|.*\.localhost)$/;

/** Whether the queue could reach us at PUBLIC_URL. Warnings only: on a developer's machine it cannot. */
export function publicUrlChecks(text: string): CheckGroup {
  const evaluate = () => {
    if (!URL.canParse(text)) return warn('PUBLIC_URL is no URL', 'Set it to https:// and the host of the deployment.');
    const { protocol, hostname } = new URL(text);
    const hint = 'QStash delivers to public https addresses only: set PUBLIC_URL to that of the deployment.';
    if (LOCAL_HOST.test(hostname)) return warn(`PUBLIC_URL names this machine (${hostname})`, hint);
    return protocol === 'https:'
      ? ok(`PUBLIC_URL names ${hostname} over https`)
      : warn('PUBLIC_URL is not https', hint);
  };
  return [{ name: 'public-url', run: () => Promise.resolve(evaluate()) }];
}
