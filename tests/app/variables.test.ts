import { describe, expect, it } from '@jest/globals';
import { knownVariables, loadConfig, loadTarget, type Environment, type Section } from '../../lib/app/config.js';
import { findMisspeltVariables } from '../../lib/app/config/names.js';

const GOOD = 'a-good-secret-of-32-characters-xx';
const QUEUE: Environment = {
  QSTASH_TOKEN: 't',
  QSTASH_CURRENT_SIGNING_KEY: 'c',
  QSTASH_NEXT_SIGNING_KEY: 'n',
  PUBLIC_URL: 'https://backup.example',
};
const S3: Environment = { BACKUP_STORE: 's3://bucket/prefix', S3_REGION: 'eu-central-1' };

/** A section, variables that make it good, and the one that is tried. */
const SECRETS: [Section, Environment, string][] = [
  ['cron', {}, 'CRON_SECRET'],
  ['admin', {}, 'ADMIN_TOKEN'],
  ['webhook', {}, 'RESTORE_WEBHOOK_SECRET'],
  ['redis', { UPSTASH_REDIS_REST_URL: 'https://db.example' }, 'UPSTASH_REDIS_REST_TOKEN'],
  ['vector', { UPSTASH_VECTOR_REST_URL: 'https://index.example' }, 'UPSTASH_VECTOR_REST_TOKEN'],
  ['embedder', {}, 'GEMINI_API_KEY'],
  ['queue', QUEUE, 'QSTASH_TOKEN'],
  ['queue', QUEUE, 'QSTASH_CURRENT_SIGNING_KEY'],
  ['queue', QUEUE, 'QSTASH_NEXT_SIGNING_KEY'],
  ['store', { ...S3, S3_SECRET_ACCESS_KEY: 's' }, 'S3_ACCESS_KEY_ID'],
  ['store', { ...S3, S3_ACCESS_KEY_ID: 'k' }, 'S3_SECRET_ACCESS_KEY'],
  ['store', { ...S3, S3_ACCESS_KEY_ID: 'k', S3_SECRET_ACCESS_KEY: 's' }, 'S3_SESSION_TOKEN'],
  ['keys', {}, 'BACKUP_AGE_IDENTITY'],
  ['keys', {}, 'BACKUP_SIGNING_KEY'],
  ['keys', {}, 'BACKUP_SIGNING_PUBLIC_KEY'],
  ['github', {}, 'GITHUB_TOKEN'],
  ['githubApp', { GITHUB_ID: 'id' }, 'GITHUB_SECRET'],
  ['hosting', {}, 'VERCEL_API_TOKEN'],
  ['account', { UPSTASH_EMAIL: 'me@example.com', UPSTASH_REDIS_ID: 'id' }, 'UPSTASH_API_KEY'],
];
const ODD: [string, string][] = [
  ['a blank alone', ' '],
  ['many blanks', ' '.repeat(24)],
  ['a line end alone', '\n'],
  ['a blank before it', ` ${GOOD}`],
  ['a blank behind it', `${GOOD} `],
  ['a line end', `${GOOD}\n`],
  ['CR and LF', `${GOOD}\r\n`],
  ['a tab', `${GOOD}\t`],
  ['an umlaut', `${GOOD}ü`],
  ['a byte order mark', `\ufeff${GOOD}`],
  ['a zero-width blank', `${GOOD}\u200b`],
  ['a control character', `${GOOD}\u0007`],
];

function refusal(work: () => unknown): { code: string; message: string } {
  try {
    work();
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error('nothing was refused');
}

describe('a secret', () => {
  const cases = SECRETS.flatMap(([section, rest, name]) =>
    ODD.map(([what, value]) => [name, what, section, { ...rest, [name]: value }, value] as const),
  );
  it.each(cases)('%s with %s is refused by name, and not shown', (name, _, section, env, value) => {
    const { code, message } = refusal(() => loadConfig(env, [section]));
    expect(code).toBe('config');
    expect(message).toContain(`${name} `);
    if (value.trim() !== '') expect(message).not.toContain(GOOD);
  });

  it('as PEM has line ends', () => {
    const pem = '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n';
    expect(loadConfig({ BACKUP_SIGNING_KEY: pem }, ['keys']).keys.BACKUP_SIGNING_KEY).toBe(pem);
  });

  it('of a restore target is refused in the same way', () => {
    const env = { DRILL_REDIS_REST_URL: 'https://db.example', DRILL_REDIS_REST_TOKEN: `${GOOD}\n` };
    expect(refusal(() => loadTarget(env, 'drill')).message).toContain('DRILL_REDIS_REST_TOKEN contains a line end');
  });
});

describe('BACKUP_STORE', () => {
  it.each([
    's3://bucket/a%20b',
    's3://bucket/%E0%A4%A',
    's3://bucket/a?b',
    's3://bucket/a#b',
    's3://bucket?x',
    's3://Bucket/a',
    's3://bucket:9000/a',
    's3://key:secret@bucket/a',
    's3://bucket/a//b',
    's3://bucket/../b',
    's3://bucket/a b',
    's3://bucket/ü',
    's3://bucket/a\n',
    ' s3://bucket/a',
    's3:/bucket/a',
    's3://',
    'bucket/a',
    'https://bucket.s3.amazonaws.com/a',
    'file:///',
    'file:///tmp/a?b',
    'file:///tmp/a#b',
    'file:///tmp/100%',
    'file:///tmp/a%2Fb',
    'file:///tmp/../etc',
    'file:///tmp//a',
    'file://host/a',
    'file:tmp/a',
    'file:///tmp/a\r\n',
    'file:///tmp\\a',
  ])('%j is refused by name, here and as replica', (text) => {
    const replica = { BACKUP_REPLICA_STORE: text, REPLICA_S3_REGION: 'x' };
    for (const [env, section, name] of [
      [{ BACKUP_STORE: text, S3_REGION: 'x' }, 'store', 'BACKUP_STORE'],
      [replica, 'replica', 'BACKUP_REPLICA_STORE'],
    ] as const) {
      expect(refusal(() => loadConfig(env, [section]))).toMatchObject({
        code: 'config',
        message: expect.stringContaining(`${name} `),
      });
    }
  });

  it.each(['s3://bucket', 's3://bucket/', 's3://my.bucket-1/a/b.c_d=e/', 'file:///tmp/my folder/ü', 'file:///tmp/a/'])(
    '%j is taken',
    (text) => {
      expect(loadConfig({ BACKUP_STORE: text, S3_REGION: 'x' }, ['store']).store.BACKUP_STORE).toBe(text);
    },
  );
});

describe('a number', () => {
  const names: [Section, string][] = [
    ...['LAST', 'WITHIN_DAYS', 'DAILY', 'WEEKLY', 'MONTHLY'].map((n): [Section, string] => [
      'retention',
      `RETENTION_KEEP_${n}`,
    ]),
    ['retention', 'RETENTION_ASIDE_DAYS'],
    ['retention', 'RETENTION_RUNS_DAYS'],
    ['limits', 'FUNCTION_LIMIT_SECONDS'],
    ['limits', 'RUN_LEASE_SECONDS'],
    ['limits', 'BACKUP_REQUESTS_IN_FLIGHT'],
    ['limits', 'BACKUP_COMMANDS_PER_SECOND'],
    ['limits', 'RESTORE_TASKS_AT_A_TIME'],
    ['limits', 'REINDEX_BATCHES_AT_A_TIME'],
    ['limits', 'BACKUP_PART_MIB'],
    ['embedder', 'EMBEDDING_DIMENSIONS'],
    ['embedder', 'EMBEDDING_TEXTS_PER_MINUTE'],
    ['embedder', 'CLUSTERING_TRUNCATE_BODY_CHARS'],
  ];
  const odd = ['\n', ' ', '\t', '7\n', ' 7', '-1', '+7', '1e3', '0x10', '٧', '7,5', 'Infinity', 'NaN', 'true', '""'];
  it.each(names)('of %s in %s must be digits only', (section, name) => {
    for (const value of odd) {
      const env = { GEMINI_API_KEY: 'k', [name]: value };
      expect(refusal(() => loadConfig(env, [section])).message).toContain(`${name} must be a`);
    }
  });
});

describe('other variables', () => {
  it.each<[Section, string, string]>([
    ['alerts', 'ALERT_FORMAT', ' slack'],
    ['alerts', 'ALERT_FORMAT', 'Slack'],
    ['keys', 'BACKUP_AGE_RECIPIENTS', ' '],
    ['keys', 'BACKUP_AGE_RECIPIENTS', ', ,'],
    ['keys', 'BACKUP_AGE_RECIPIENTS', '\ufeffage1x'],
    ['github', 'GITHUB_CHECK_REPOS', '\n'],
    ['providers', 'PROVIDER_STATUS_URLS', ' '],
    ['alerts', 'ALERT_WEBHOOK_URL', 'https://hooks.example/x\n'],
    ['alerts', 'ALERT_WEBHOOK_URL', 'hooks.example/x'],
    ['heartbeat', 'HEARTBEAT_URL', 'https://user:word@hc.example/x'],
    ['backend', 'BACKEND_URL', 'https://api.example/?x=1'],
    ['backend', 'BACKEND_URL', '"https://api.example"'],
    ['queue', 'PUBLIC_URL', 'https://backup.example/path'],
    ['queue', 'PUBLIC_URL', 'https://backup.example/?'],
    ['redis', 'UPSTASH_REDIS_REST_URL', 'rediss://default:x@db.example:6379'],
    ['store', 'S3_REGION', 'eu-central-1 '],
    ['store', 'S3_ROLE_ARN', 'arn:aws:iam::1:role/x\n'],
    ['store', 'S3_ENDPOINT', 'https://s3.example/#x'],
    ['embedder', 'EMBEDDING_MODEL', '\n'],
  ])('of %s: %s=%j is refused by name', (section, name, value) => {
    const env = { ...QUEUE, ...S3, GEMINI_API_KEY: 'k', UPSTASH_REDIS_REST_TOKEN: 't', [name]: value };
    expect(refusal(() => loadConfig(env, [section])).message).toContain(`${name} `);
  });

  it('give a warning when they are misspelt, but not when they belong to other programs', () => {
    const env = {
      BACKUP_AGE_RECIPIENT: 'x',
      RETENTION_KEEP_DAILLY: '1',
      ALERT_WEBHOK_URL: 'x',
      CRON_SECERT: 'x',
      '\ufeffBACKUP_SIGNING_KEY': 'x',
      admin_token: 'x',
      BACKUP_SOMETHING_ELSE: 'x',
      AWS_REGION: 'x',
      PATH: 'x',
      KV_REST_API_URL: 'x',
      VERCEL_URL: 'x',
      RESTORE_TARGET_STANDBY_REST_URL: 'x',
      BACKUP_LABE: '',
    };
    expect(findMisspeltVariables(env, knownVariables())).toEqual([
      { name: 'BACKUP_AGE_RECIPIENT', meant: 'BACKUP_AGE_RECIPIENTS' },
      { name: 'RETENTION_KEEP_DAILLY', meant: 'RETENTION_KEEP_DAILY' },
      { name: 'ALERT_WEBHOK_URL', meant: 'ALERT_WEBHOOK_URL' },
      { name: 'CRON_SECERT', meant: 'CRON_SECRET' },
      { name: '\\ufeffBACKUP_SIGNING_KEY', meant: 'BACKUP_SIGNING_KEY' },
      { name: 'admin_token', meant: 'ADMIN_TOKEN' },
      { name: 'BACKUP_SOMETHING_ELSE', meant: null },
    ]);
  });
});
