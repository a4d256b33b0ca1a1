import { DEFECTS, PRODUCT, type Topic } from './topics.js';
import { seededRandom, type Random } from './random.js';

export const TOPICS: readonly Topic[] = [...DEFECTS, ...PRODUCT];

const FILLINGS: Readonly<Record<string, readonly string[]>> = {
  file: ['PDF', 'spreadsheet', 'photo', 'video', 'zip archive'],
  version: ['4.2.0', '4.2.1', '4.3', '5.0.0-beta.3', 'build 20871'],
  device: ['Pixel 9', 'iPhone 16', 'iPad', 'Galaxy S25', 'ThinkPad', 'MacBook Air'],
  page: ['dashboard', 'inbox', 'report page', 'settings', 'timeline', 'board', 'customer list'],
  tool: ['Slack', 'Linear', 'Jira', 'Notion', 'Google Docs', 'Teams', 'Zapier'],
  provider: ['Okta', 'Google', 'Azure AD', 'OneLogin'],
  browser: ['Firefox', 'Chrome', 'Safari', 'Edge'],
  plan: ['Starter', 'Team', 'Business', 'Enterprise'],
  resource: ['items', 'projects', 'comments', 'users'],
};

const OPENINGS = ['Hi team,', 'Hello,', 'Hey there 👋', 'Good morning,', '', '', '', 'First of all: great product ❤️'];
const CONTEXTS = [
  'We are a team of {n} on the {plan} plan.',
  'Seen in {browser} and on a {device}.',
  'Version is {version}, happens since last week.',
  'I can send a recording if that helps.',
  'This is blocking our release 😩',
  'Not urgent, but it comes up every day.',
  'I looked through the docs and found nothing about it.',
  'Happy to test a fix 🚀',
  'Others in the forum describe the same.',
];
const FOREIGN = [
  'アプリが突然終了してしまい、入力した内容が消えました。',
  'После обновления ничего не работает, помогите, пожалуйста.',
  'لا أستطيع تسجيل الدخول إلى حسابي منذ أمس.',
  '请尽快修复这个问题,谢谢!',
  'कृपया इस समस्या को जल्दी ठीक करें।',
  'Größe und Übersicht der Tabelle wären schön – danke für eure Mühe.',
  '로그인 후에 화면이 멈춰요 😢',
  'Ça marche très bien, sauf l’export : à améliorer s’il vous plaît.',
];

/** Fills in the placeholders of a template. */
export function fill(random: Random, template: string): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) =>
    name === 'n' ? String(random.whole(2, 60)) : random.pick(FILLINGS[name] ?? [name]),
  );
}

/** A log of `bytes` ASCII characters, for the bodies that monitoring services send. */
function logText(random: Random, bytes: number): string {
  const lines: string[] = [];
  for (let length = 0; length < bytes; length += lines.at(-1)?.length ?? 0) {
    const at = `src/${random.pick(['api', 'editor', 'sync', 'auth', 'billing'])}/${random.text(6, 'abcdefghiklmnoprstu')}.ts`;
    lines.push(
      random.chance(0.3)
        ? `ERROR request ${random.text(12, '0123456789abcdef')} failed after ${random.whole(3, 9000)} ms\n`
        : `    at handle${random.text(5, 'ABCDEFGHIKLMN')} (${at}:${random.whole(1, 900)}:${random.whole(1, 80)})\n`,
    );
  }
  return lines.join('').slice(0, bytes);
}

/** Writes reports from paragraphs that are generated once. */
export interface Writer {
  title(topic: Topic): string;
  /** About `length` characters about the topic; `machine` bodies continue with a log instead of prose. */
  body(topic: Topic, length: number, machine: boolean): string;
}

const LOG_BYTES = 256 * 1024;
const PARAGRAPHS = 16;
const LOG_SEED = 1;

let madeLog: string | null = null;
/** Shared by all writers and generated on first use: it takes half a second, more than a whole workspace. */
const log = (): string => (madeLog ??= logText(seededRandom(LOG_SEED), LOG_BYTES));

export function writer(random: Random): Writer {
  const paragraphs = new Map(
    TOPICS.map((topic) => [topic, Array.from({ length: PARAGRAPHS }, () => paragraph(random, topic))]),
  );
  return {
    title: (topic) => fill(random, random.pick(topic.titles)),
    body(topic, length, machine) {
      let text = [random.pick(OPENINGS), fill(random, random.pick(topic.sentences))].filter(Boolean).join('\n\n');
      if (random.chance(0.08)) text += ` ${random.pick(FOREIGN)}`;
      if (machine && length > text.length) {
        const wanted = Math.min(length - text.length, LOG_BYTES);
        const start = random.whole(0, LOG_BYTES - wanted);
        return `${text}\n\n${log().slice(start, start + wanted)}`;
      }
      const known = paragraphs.get(topic) ?? [topic.summary];
      while (text.length < length) text += `\n\n${random.pick(known)} ${occasion(random)}`;
      return text;
    },
  };
}

/** A unique sentence: without it the texts would compress far better than real ones. */
function occasion(random: Random): string {
  const time = `${random.whole(0, 23)}:${String(random.whole(0, 59)).padStart(2, '0')}`;
  return `Last seen at ${time}, item ${random.whole(1000, 99_999)}, reference ${random.text(10, 'abcdefghkmnprstuvwxyz23456789')}.`;
}

function paragraph(random: Random, topic: Topic): string {
  const order = topic.sentences.map((sentence) => ({ sentence, at: random.next() })).sort((a, b) => a.at - b.at);
  const about = order.slice(0, random.whole(2, 4)).map(({ sentence }) => sentence);
  return [...about, random.pick(CONTEXTS)].map((sentence) => fill(random, sentence)).join(' ');
}
