import { DAY, stampWithin, type Scope, type Stamp, createCommand, hash, type Write } from './write.js';
import type { Topic } from './topics.js';

/** Sources of feedback and their shares in percent. */
const SOURCES = Object.entries({ reddit: 25, sentry: 20, github: 20, manual: 12, datadog: 9, posthog: 8, splunk: 6 });
const MACHINES = new Set(['sentry', 'datadog', 'splunk']);
const SHORTEST = 100;
const LONGEST = 10_000;
/** One item in this many is far larger than usual. */
const HUGE_ONE_IN = 4000;
const HUGE = { least: 60_000, most: 200_000 } as const;

interface Origin {
  readonly external: string | undefined;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly fields: Readonly<Record<string, string>>;
}

/**
 * One item of feedback: its hash, its entries in the sorted sets, and the key of its external id. Returns the item's id,
 * which the caller adds to a cluster.
 */
export function* writeItem(scope: Scope, topic: Topic): Generator<Write, string> {
  const { random, writer, project } = scope;
  const id = random.uuid();
  const source = pickSource(scope);
  const serial = scope.serial();
  const created = stampWithin(scope, 180 * DAY);
  const { external, metadata, fields } = originOf(scope, source, serial, created);
  const title = writer.title(topic);
  // The first item of a project is huge, so that small data sets contain one.
  const length =
    serial === 1 || random.chance(1 / HUGE_ONE_IN) ? random.whole(HUGE.least, HUGE.most) : bodyLength(scope);
  const body = writer.body(topic, length, MACHINES.has(source));
  yield hash(project, `feedback:${project}:${id}`, {
    id,
    project_id: project,
    source,
    external_id: external,
    title,
    body,
    raw_text: rawText(scope, title, body),
    metadata: JSON.stringify(metadata),
    created_at: created.iso,
    ...fields,
  });
  if (external !== undefined) {
    yield createCommand(project, 'SET', `feedback:external:${project}:${source}:${external}`, id);
  }
  yield* scope.created.add(created.score, id);
  yield* scope.bySource(source).add(created.score, id);
  return id;
}

function pickSource({ random }: Scope): string {
  let left = random.whole(1, 100);
  for (const [source, share] of SOURCES) {
    left -= share;
    if (left <= 0) return source;
  }
  return 'manual';
}

/** Log-normal around 800 characters: most bodies are short, some long. */
function bodyLength({ random }: Scope): number {
  return Math.round(Math.min(LONGEST, Math.max(SHORTEST, Math.exp(6.7 + 0.9 * random.normal()))));
}

function rawText({ random }: Scope, title: string, body: string): string | undefined {
  if (random.chance(0.6)) return body;
  return random.chance(0.5) ? `${title}\n\n${body}` : undefined;
}

function originOf(scope: Scope, source: string, serial: number, created: Stamp): Origin {
  const { random } = scope;
  const plain = (external: string | undefined, metadata: Origin['metadata']) => ({ external, metadata, fields: {} });
  switch (source) {
    case 'reddit': {
      const post = (60_000_000_000 + serial).toString(36);
      const link = `https://www.reddit.com/r/SaaS/comments/${post}/`;
      return plain(`t3_${post}`, { subreddit: 'SaaS', author: `user_${random.text(6, 'aeioknrst')}`, permalink: link });
    }
    case 'sentry': {
      const metadata = { level: 'error', count: random.whole(1, 5000), culprit: 'handleRequest(src/api)' };
      return plain(String(4_000_000_000 + serial), metadata);
    }
    case 'datadog':
      return plain(`monitor:${90_000_000 + serial}:${created.ms}`, { priority: 'P2', tags: ['env:prod', 'team:web'] });
    case 'splunk': {
      const search = `scheduler__admin__search__RMD5${random.text(16, '0123456789abcdef')}`;
      return plain(`${search}_at_${Math.floor(created.ms / 1000)}:${serial}`, {
        app: 'search',
        result_count: random.whole(1, 900),
      });
    }
    case 'posthog':
      return plain(random.uuid(), { event: '$exception', distinct_id: random.uuid(), count: null });
    case 'github':
      return githubOrigin(scope, serial);
    default:
      return plain(undefined, { entered_by: 'support', language: random.pick(['en', 'de', 'ja', 'pt-BR']) });
  }
}

function githubOrigin({ random, repos }: Scope, serial: number): Origin {
  const repo = random.pick(repos);
  const labels = random.chance(0.5) ? ['bug', '🔥 urgent'] : ['enhancement'];
  return {
    external: `${repo}#${serial}`,
    metadata: { labels, comments: random.whole(0, 40), state: 'open' },
    fields: {
      repo,
      github_issue_number: String(serial),
      github_issue_url: `https://github.com/${repo}/issues/${serial}`,
      status: random.chance(0.7) ? 'open' : 'closed',
    },
  };
}
