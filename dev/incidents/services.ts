import { Redis } from 'ioredis';
import { protectedDatabase } from '../../lib/app/connect/database.js';
import type { FaultAction, ServiceProxy } from '../fault-proxy.js';
import { freshGitHubToken, gitHubToken, STANDBY_ID } from '../stack/rehearsal.js';
import type { Rehearsal } from '../stack/index.js';
import { fireSchedulers, type Incident } from './scene.js';

const SECTION = 'A service refuses its credential';

const s3Error = (status: number, code: string): FaultAction => ({
  status,
  headers: { 'content-type': 'application/xml' },
  body: `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`,
});

const requireProxy = (proxy: ServiceProxy | null): ServiceProxy => {
  if (proxy === null) throw new TypeError('the store has no proxy');
  return proxy;
};

const answers = (values: Readonly<Record<string, string>>) => ({ ANSWERS: JSON.stringify(values) });

/** A vendor refuses a token; the new token is the answer that its console shows. */
function refusedIncident(
  name: string,
  variable: string,
  vendor: string,
  proxyIn: (rehearsal: Rehearsal) => ServiceProxy,
): Incident {
  return {
    name: `${name}-refused`,
    title: `${vendor} refuses ${variable}: it was reset in the console`,
    section: SECTION,
    sees: `The alert credential-failed from the guard's next turn on; status: services not ok.`,
    begin: ({ stack }) => Promise.resolve({ variables: answers({ [variable]: proxyIn(stack.rehearsal).changeKey() }) }),
  };
}

/** The service fails until `mend` ends the fault. */
function startOutage(proxy: ServiceProxy, fault: Parameters<ServiceProxy['fail']>[0], words: string) {
  proxy.fail(fault);
  return Promise.resolve({
    mend: {
      words,
      end() {
        proxy.fail(null);
        return Promise.resolve();
      },
    },
  });
}

function replaceGitHubToken({ github }: Rehearsal): string {
  const token = freshGitHubToken();
  github.set({ tokens: [gitHubToken(token)], fault: () => null });
  return token;
}

function clearFaults({ github }: Rehearsal): Promise<void> {
  github.set({ fault: () => null });
  return Promise.resolve();
}

/** Incidents with services that do not answer, or refuse. */
export const SERVICE_INCIDENTS: readonly Incident[] = [
  {
    name: 'queue-down',
    title: 'QStash does not answer',
    section: 'The queue cannot be reached',
    sees: 'The alert credential-failed (queue); a backup over the queue fails with queue-unavailable.',
    begin: (scene) => startOutage(scene.stack.rehearsal.proxies.queue, { status: 503 }, 'QStash answers again'),
  },
  {
    name: 'store-down',
    title: 'the object store does not answer',
    section: 'The store cannot be reached',
    sees: 'The alert store-unavailable; /api/status answers 503.',
    needsS3: true,
    begin: (scene) =>
      startOutage(requireProxy(scene.stack.rehearsal.proxies.s3), s3Error(503, 'SlowDown'), 'the store answers again'),
  },
  {
    name: 'store-full',
    title: 'the quota of the bucket is used up',
    section: 'The store is full',
    sees: 'The alert backup-failed with store-full.',
    needsS3: true,
    begin: (scene) =>
      startOutage(
        requireProxy(scene.stack.rehearsal.proxies.s3),
        ({ method }) => (method === 'PUT' || method === 'POST' ? s3Error(403, 'QuotaExceeded') : null),
        'the quota is raised',
      ),
  },
  {
    name: 's3-refused',
    title: 'the store refuses its keys: they were replaced in the console',
    section: SECTION,
    sees: 'The alert store-unavailable; /api/status answers 503.',
    needsS3: true,
    async begin({ stack }) {
      const keys = await stack.rehearsal.changeStoreKeys?.();
      if (keys === undefined) throw new TypeError('the store has no keys');
      return {
        variables: answers({ S3_ACCESS_KEY_ID: keys.accessKeyId, S3_SECRET_ACCESS_KEY: keys.secretAccessKey }),
      };
    },
  },
  refusedIncident('redis', 'UPSTASH_REDIS_REST_TOKEN', 'Upstash Redis', ({ proxies }) => proxies.redis),
  refusedIncident('queue', 'QSTASH_TOKEN', 'QStash', ({ proxies }) => proxies.queue),
  refusedIncident('vector', 'UPSTASH_VECTOR_REST_TOKEN', 'Upstash Vector', ({ proxies }) => proxies.vector),
  refusedIncident('gemini', 'GEMINI_API_KEY', 'Gemini', ({ proxies }) => proxies.gemini),
  {
    ...refusedIncident('vercel', 'VERCEL_API_TOKEN', 'Vercel', ({ vercelProxy }) => vercelProxy),
    sees: 'deploy, switch and github rotate end with hosting-denied. No alert: no function has the token.',
  },
  {
    name: 'github-revoked',
    title: 'GitHub answers 401: the token of the backend was revoked',
    section: 'GitHub answers 401 or 403',
    sees: 'The alert credential-failed (github-token); issues are no longer synced.',
    begin({ stack }) {
      const token = replaceGitHubToken(stack.rehearsal);
      return Promise.resolve({ variables: { NEW_TOKEN: token, ...answers({ GITHUB_TOKEN: token }) } });
    },
  },
  {
    name: 'github-forbidden',
    title: 'GitHub answers 403: the organization demands single sign-on for the token',
    section: 'GitHub answers 401 or 403, and the token is good',
    sees: 'The alert credential-failed (github-token), with sso-required.',
    begin({ stack: { rehearsal } }) {
      rehearsal.github.set({ fault: () => 'sso' });
      return Promise.resolve({
        mend: {
          words: 'somebody has authorized the token (GitHub, the token, Configure SSO)',
          end: () => clearFaults(rehearsal),
        },
      });
    },
  },
  {
    name: 'github-limited',
    title: 'GitHub answers 403: the rate limit of the hour is used up',
    section: 'GitHub answers 401 or 403, and the token is good',
    sees: 'Issues are no longer synced; github check says rate-limited.',
    begin({ stack: { rehearsal } }) {
      rehearsal.github.set({ fault: () => 'primary' });
      return Promise.resolve({
        mend: {
          words: 'the hour is over',
          end: () => clearFaults(rehearsal),
        },
      });
    },
  },
  {
    name: 'scratch-not-empty',
    title: 'somebody used the scratch database for something else, and the drill does not run',
    section: 'A drill fails or does not run',
    sees: 'doctor warns of the scratch database; from the ninth day on the alert drill-overdue.',
    async begin({ context }) {
      const { env } = await context();
      await fetch(`${env['DRILL_REDIS_REST_URL'] ?? ''}/set/somebody/else`, {
        headers: { authorization: `Bearer ${env['DRILL_REDIS_REST_TOKEN'] ?? ''}` },
      });
      return {};
    },
  },
  {
    name: 'secrets-leaked',
    title: 'the variables of the functions were seen by somebody: every token, secret and key is to be replaced',
    section: 'A secret has leaked',
    sees: 'Somebody reports the leak to you. No alert or status shows it, because reading secrets leaves no trace.',
    async begin({ stack }) {
      const { changeStoreKeys, proxies, vercelProxy, ...rehearsal } = stack.rehearsal;
      const keys = (await changeStoreKeys?.()) ?? null;
      const token = replaceGitHubToken(stack.rehearsal);
      stack.queue.rotateKeys();
      stack.queue.rotateKeys();
      const values = {
        UPSTASH_REDIS_REST_TOKEN: proxies.redis.changeKey(),
        QSTASH_TOKEN: proxies.queue.changeKey(),
        UPSTASH_VECTOR_REST_TOKEN: proxies.vector.changeKey(),
        GEMINI_API_KEY: proxies.gemini.changeKey(),
        VERCEL_API_TOKEN: vercelProxy.changeKey(),
        GITHUB_TOKEN: token,
        ALERT_WEBHOOK_URL: `${rehearsal.receiver.url}/alerts/another`,
        HEARTBEAT_URL: `${rehearsal.receiver.url}/ping/another`,
        ...(keys === null ? {} : { S3_ACCESS_KEY_ID: keys.accessKeyId, S3_SECRET_ACCESS_KEY: keys.secretAccessKey }),
      };
      return { variables: { NEW_TOKEN: token, ...answers(values) } };
    },
  },
  {
    name: 'upstash-restores',
    title: 'the database is empty, and no snapshot of ours is left; Upstash has a backup',
    section: 'Only Upstash’s backups are left',
    sees: 'The dashboard is empty, and so is the list of snapshots.',
    async begin({ stack }) {
      const { account, variables } = stack.rehearsal;
      const id = variables['UPSTASH_REDIS_ID'] ?? '';
      await account.backUpDaily(id);
      const redis = new Redis(stack.urls.redis, { protocol: 2 });
      await redis.flushall();
      redis.disconnect();
      return { variables: { DATABASE: id } };
    },
  },
  {
    name: 'region-lost',
    title: 'the region of the database does not answer any more',
    section: 'The region of the database is lost',
    sees: 'The dashboard fails; status: services not ok (redis). Every second counts: the objective is 4 hours.',
    async begin(scene) {
      const { source } = protectedDatabase((await scene.context()).env);
      scene.stack.rehearsal.proxies.redis.fail('reset');
      return {
        variables: { SOURCE: (source ?? '').slice(0, 8), STANDBY_ID },
        mend: {
          words: 'the region is back; the hour has come, and both schedulers call',
          async end() {
            scene.stack.rehearsal.proxies.redis.fail(null);
            await fireSchedulers(scene);
          },
        },
      };
    },
  },
];
