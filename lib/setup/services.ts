import { CALLER_SECRETS } from './secrets.js';
import type { Question, Service, Values } from './model.js';

const isBucket = (variable: string) => (values: Values) => (values[variable] ?? '').startsWith('s3://');

/** The questions about a store; `prefix` is REPLICA_ for the second store. */
function storeQuestions(prefix: '' | 'REPLICA_'): Question[] {
  const store = `BACKUP_${prefix}STORE`;
  const bucket = isBucket(store);
  const hasKey = (values: Values): boolean => bucket(values) && `${prefix}S3_ACCESS_KEY_ID` in values;
  return [
    {
      variable: store,
      label: 'Where snapshots go: s3://bucket/prefix, or file:///folder',
      example: prefix === '' ? 's3://my-backups/soulcaster' : 's3://my-backups-2/soulcaster',
    },
    { variable: `${prefix}S3_REGION`, label: 'Region of the bucket', example: 'eu-central-1', when: bucket },
    {
      variable: `${prefix}S3_ENDPOINT`,
      label: 'Address of the S3 service; empty for AWS',
      example: 'https://ACCOUNT.r2.cloudflarestorage.com',
      optional: true,
      when: bucket,
    },
    {
      variable: `${prefix}S3_ACCESS_KEY_ID`,
      label: 'Access key id; empty to use a role or the AWS profile of this machine',
      secret: true,
      optional: true,
      when: bucket,
    },
    { variable: `${prefix}S3_SECRET_ACCESS_KEY`, label: 'Secret access key', secret: true, when: hasKey },
    {
      variable: `${prefix}S3_ROLE_ARN`,
      label: 'Role that the functions assume over OIDC; empty for none',
      example: 'arn:aws:iam::123456789012:role/soulcaster-backup',
      optional: true,
      when: (values) => bucket(values) && !hasKey(values),
    },
  ];
}

type Described = Omit<Service, 'questions' | 'made' | 'checks'> & Partial<Service>;

const DESCRIBED: readonly Described[] = [
  {
    id: 'label',
    title: 'Name of this deployment',
    about: 'Shown in plans, reports and snapshots.',
    kind: 'needed',
    questions: [{ variable: 'BACKUP_LABEL', label: 'Name', example: 'production', optional: true }],
  },
  {
    id: 'account',
    title: 'Upstash account',
    about: 'Finds the database and its token, and gives access to Upstash’s own backups. Stays on this machine.',
    kind: 'offered',
    questions: [
      { variable: 'UPSTASH_EMAIL', label: 'E-mail of the account', example: 'you@example.com' },
      { variable: 'UPSTASH_API_KEY', label: 'Key: Upstash console, Account, Management API', secret: true },
    ],
    made: ['UPSTASH_REDIS_ID'],
  },
  {
    id: 'database',
    title: 'Database to protect',
    about: 'Upstash console, the database, REST API. Not the read-only token: it may not SCAN.',
    kind: 'needed',
    questions: [
      { variable: 'UPSTASH_REDIS_REST_URL', label: 'REST URL', example: 'https://NAME.upstash.io' },
      { variable: 'UPSTASH_REDIS_REST_TOKEN', label: 'REST token', secret: true },
    ],
    checks: ['redis'],
  },
  {
    id: 'store',
    title: 'Object store',
    about: 'The bucket (or folder) that holds the snapshots.',
    kind: 'needed',
    questions: storeQuestions(''),
    checks: ['store'],
  },
  {
    id: 'hosting',
    title: 'Vercel project of this program',
    about: 'For `deploy`: finds the project and its address. The token stays on this machine.',
    kind: 'offered',
    questions: [{ variable: 'VERCEL_API_TOKEN', label: 'Token: vercel.com, Account Settings, Tokens', secret: true }],
    made: ['VERCEL_TEAM_ID', 'SOULCASTER_BACKUP_PROJECT'],
  },
  {
    id: 'queue',
    title: 'Queue (QStash)',
    about: 'Carries long runs from one function to the next. Its signing keys are fetched.',
    kind: 'offered',
    questions: [
      { variable: 'QSTASH_TOKEN', label: 'Token: Upstash console, QStash', secret: true },
      {
        variable: 'QSTASH_URL',
        label: 'Address of its region; empty for the default',
        example: 'https://qstash.upstash.io',
        optional: true,
      },
      { variable: 'PUBLIC_URL', label: 'Address of the production deployment', example: 'https://NAME.vercel.app' },
    ],
    made: ['QSTASH_CURRENT_SIGNING_KEY', 'QSTASH_NEXT_SIGNING_KEY'],
    checks: ['queue', 'public-url'],
  },
  {
    id: 'callers',
    title: 'Secrets of callers',
    about: 'Generated here: for Vercel’s cron, for operators, for the restore webhook.',
    kind: 'automatic',
    made: CALLER_SECRETS,
    independent: true,
    checks: ['cron-secret', 'admin-token', 'webhook-secret'],
  },
  {
    id: 'encryption',
    title: 'Encryption',
    about:
      'Snapshots are encrypted with age, and only the identity can open them. The functions get only the public key.',
    kind: 'automatic',
    made: ['BACKUP_AGE_RECIPIENTS', 'BACKUP_AGE_IDENTITY_FILE'],
    checks: ['encryption'],
  },
  {
    id: 'signing',
    title: 'Signature',
    about: 'Objects in the store are trusted only if they are signed. The key is generated here.',
    kind: 'automatic',
    made: ['BACKUP_SIGNING_KEY'],
    checks: ['signature'],
  },
  {
    id: 'alerts',
    title: 'Alerts',
    about: 'A webhook of Slack, Discord, Microsoft Teams, Google Chat, or your own.',
    kind: 'offered',
    questions: [{ variable: 'ALERT_WEBHOOK_URL', label: 'Address of the webhook (a secret)', secret: true }],
    checks: ['alerts'],
  },
  {
    id: 'heartbeat',
    title: 'Heartbeat',
    about: 'A watchdog such as healthchecks.io raises the alarm when pings stop: period 12 hours, grace 3 hours.',
    kind: 'offered',
    questions: [{ variable: 'HEARTBEAT_URL', label: 'Address to ping (a secret)', secret: true }],
    checks: ['heartbeat'],
  },
  {
    id: 'drill',
    title: 'Scratch database for drills',
    about: 'A database used for nothing else: drills fill and wipe it.',
    kind: 'offered',
    questions: [
      { variable: 'DRILL_REDIS_REST_URL', label: 'REST URL', example: 'https://NAME.upstash.io' },
      { variable: 'DRILL_REDIS_REST_TOKEN', label: 'REST token', secret: true },
    ],
    checks: ['drill'],
  },
  {
    id: 'replica',
    title: 'Second store',
    about: 'A copy of every verified snapshot, preferably in another region or with another provider.',
    kind: 'offered',
    questions: storeQuestions('REPLICA_'),
    checks: ['replica'],
  },
  {
    id: 'vectors',
    title: 'Vector index',
    about: 'Rebuilt from the database after a restore.',
    kind: 'offered',
    questions: [
      {
        variable: 'UPSTASH_VECTOR_REST_URL',
        label: 'REST URL: Upstash console, Vector',
        example: 'https://NAME.upstash.io',
      },
      { variable: 'UPSTASH_VECTOR_REST_TOKEN', label: 'REST token', secret: true },
      { variable: 'GEMINI_API_KEY', label: 'Key of the Gemini API', secret: true },
    ],
    checks: ['index', 'embedder'],
  },
  {
    id: 'backend',
    title: 'Soulcaster’s backend',
    about: 'Its /health and /stats are compared with the database after a restore.',
    kind: 'offered',
    questions: [{ variable: 'BACKEND_URL', label: 'Address', example: 'https://NAME.vercel.app' }],
    checks: ['backend'],
  },
  {
    id: 'github',
    title: 'GitHub token of the application',
    about: 'Checked, so that you are warned before it expires.',
    kind: 'offered',
    questions: [
      { variable: 'GITHUB_TOKEN', label: 'GITHUB_TOKEN of the backend', secret: true },
      {
        variable: 'GITHUB_CHECK_REPOS',
        label: 'Repositories that the token must reach, as owner/name, separated by commas',
        example: 'acme/app',
        optional: true,
      },
    ],
    checks: ['github-token'],
  },
];

/** Every service of a deployment, in the order of the setup: later services use values of earlier ones. */
export const SERVICES: readonly Service[] = DESCRIBED.map((service) => ({
  questions: [],
  made: [],
  checks: [],
  ...service,
}));

/** All variables of a service. */
export function variablesOf({ made, questions }: Service): string[] {
  return [...questions.map(({ variable }) => variable), ...made];
}
