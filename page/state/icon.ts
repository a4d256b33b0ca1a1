import type { Tone } from '../words/labels.js';

const ICONS: Readonly<Partial<Record<Tone, string>>> = {
  good: '/icon-good.svg',
  warn: '/icon-warn.svg',
  bad: '/icon-bad.svg',
};

/** Shows the overall state in the tab's icon. */
export function showIcon(tone: Tone): void {
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  const icon = ICONS[tone] ?? '/icon.svg';
  if (link !== null && link.getAttribute('href') !== icon) link.setAttribute('href', icon);
}
