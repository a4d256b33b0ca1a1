import type { AlertNotice } from '../../ports/alerter.js';

export type AlertFormat = 'generic' | 'slack' | 'discord' | 'teams' | 'google-chat';

/** Longest texts: Discord 2,000 characters, Google Chat 4,096, Slack 40,000; a Teams card 28 KB with its frame. */
const LONGEST: Readonly<Record<AlertFormat, number>> = {
  generic: 39_000,
  slack: 39_000,
  discord: 2_000,
  teams: 18_000,
  'google-chat': 4_000,
};
const CUT = '\n... cut; `npx soulcaster-backup alerts --env-file .env` has them all';

/** What the receiver at this address understands, going by its host. */
export function formatOf(url: string): AlertFormat {
  const { hostname, pathname } = new URL(url);
  const isOf = (domain: string): boolean => hostname === domain || hostname.endsWith(`.${domain}`);
  if (isOf('slack.com')) return 'slack';
  if (isOf('discord.com') || isOf('discordapp.com')) return pathname.endsWith('/slack') ? 'slack' : 'discord';
  if (isOf('chat.googleapis.com')) return 'google-chat';
  return ['webhook.office.com', 'logic.azure.com', 'powerplatform.com', 'azure-apihub.net'].some(isOf)
    ? 'teams'
    : 'generic';
}

/**
 * The body of a message. Slack, and what imitates it, escapes `&`, `<` and `>`; `generic` is the same with `alerts` beside
 * it as data. Sources: Slack "Sending messages using incoming webhooks", Discord "Execute Webhook", Google Chat "Create
 * messages", Microsoft "Create incoming webhooks with Workflows for Teams" (an Adaptive Card in an attachment).
 */
export function bodyOf(format: AlertFormat, text: string, alerts: readonly AlertNotice[]): object {
  const cut = shortened(text, LONGEST[format]);
  switch (format) {
    case 'generic':
      return { text: escaped(cut), alerts };
    case 'slack':
      return { text: escaped(cut) };
    case 'discord':
      // Nobody is called by name, whatever a message quotes.
      return { content: cut, allowed_mentions: { parse: [] } };
    case 'google-chat':
      return { text: cut };
    case 'teams':
      return card(cut);
  }
}

/** Cuts behind a whole line, or within one that is too long, and says that there is more. */
export function shortened(text: string, most: number): string {
  if (text.length <= most) return text;
  const room = text.slice(0, most - CUT.length);
  const line = room.lastIndexOf('\n');
  const kept = line > most / 2 ? room.slice(0, line) : room;
  // Half of a surrogate pair is no character.
  return kept.replace(/[\ud800-\udbff]$/, '') + CUT;
}

function card(text: string): object {
  const [title = '', ...lines] = text.split('\n');
  const block = (words: string, more: object = {}): object => ({
    type: 'TextBlock',
    text: words.replace(/[\\`*_[\]#<>]/g, '\\$&'),
    wrap: true,
    ...more,
  });
  const content = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    body: [block(title, { weight: 'Bolder' }), ...lines.map((line) => block(line, { spacing: 'Small' }))],
  };
  const attachment = { contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content };
  return { type: 'message', attachments: [attachment] };
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
