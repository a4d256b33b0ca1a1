import type { AlertNotice } from '../../ports/alerter.js';

export type AlertFormat = 'generic' | 'slack' | 'discord' | 'teams' | 'google-chat';

/** Limits of the vendors: Discord 2,000 characters, Google Chat 4,096, Slack 40,000; a Teams card 28 KB with its frame. */
const MAX_LENGTHS: Readonly<Record<AlertFormat, number>> = {
  generic: 39_000,
  slack: 39_000,
  discord: 2_000,
  teams: 18_000,
  'google-chat': 4_000,
};
const TRUNCATED = '\n... cut; all alerts: `npx soulcaster-backup alerts --env-file .env`';

/** The format of the receiver at this address, detected from its host. */
export function detectFormat(url: string): AlertFormat {
  const { hostname, pathname } = new URL(url);
  const isUnder = (domain: string): boolean => hostname === domain || hostname.endsWith(`.${domain}`);
  if (isUnder('slack.com')) return 'slack';
  if (isUnder('discord.com') || isUnder('discordapp.com')) return pathname.endsWith('/slack') ? 'slack' : 'discord';
  if (isUnder('chat.googleapis.com')) return 'google-chat';
  return ['webhook.office.com', 'logic.azure.com', 'powerplatform.com', 'azure-apihub.net'].some(isUnder)
    ? 'teams'
    : 'generic';
}

/**
 * The body of a message. Slack and compatible receivers want `&`, `<` and `>` escaped; `generic` is the same with the data
 * in `alerts`. Sources: Slack "Sending messages using incoming webhooks", Discord "Execute Webhook", Google Chat "Create
 * messages", Microsoft "Create incoming webhooks with Workflows for Teams" (an Adaptive Card in an attachment).
 */
export function formatBody(format: AlertFormat, text: string, alerts: readonly AlertNotice[]): object {
  const truncated = truncate(text, MAX_LENGTHS[format]);
  switch (format) {
    case 'generic':
      return { text: escapeMarkup(truncated), alerts };
    case 'slack':
      return { text: escapeMarkup(truncated) };
    case 'discord':
      // No mention in a quoted text notifies anyone.
      return { content: truncated, allowed_mentions: { parse: [] } };
    case 'google-chat':
      return { text: truncated };
    case 'teams':
      return toAdaptiveCard(truncated);
  }
}

/** Cuts after a whole line, or within a line that is too long, and says that there is more. */
export function truncate(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const room = text.slice(0, maxLength - TRUNCATED.length);
  const line = room.lastIndexOf('\n');
  const kept = line > maxLength / 2 ? room.slice(0, line) : room;
  // A cut must not leave half of a surrogate pair.
  return kept.replace(/[\ud800-\udbff]$/, '') + TRUNCATED;
}

function toAdaptiveCard(text: string): object {
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

function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
