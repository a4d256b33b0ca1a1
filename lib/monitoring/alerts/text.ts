import type { AlertNotice } from '../../ports/alerter.js';

/** This many alerts a message names; the text of a Slack message is cut off at 40,000 characters. */
const MOST = 30;
const LONGEST = 1_000;

const WORDS: Readonly<Record<AlertNotice['event'], string>> = {
  opened: 'ALERT',
  reminder: 'STILL OPEN',
  recovered: 'RECOVERED',
  test: 'TEST',
};

/** A message for people: what is open first, then what still is, then what is over. */
export function alertText(notices: readonly AlertNotice[]): string {
  const order = Object.keys(WORDS);
  const sorted = [...notices].sort((a, b) => order.indexOf(a.event) - order.indexOf(b.event));
  const lines = sorted.slice(0, MOST).map(line);
  const rest = sorted.length > MOST ? [`and ${sorted.length - MOST} more: see the status`] : [];
  return ['soulcaster-backup', ...lines, ...rest].join('\n');
}

function line({ event, code, subject, message, hint, runbook, since }: AlertNotice): string {
  const head = `${WORDS[event]} ${code} (${subject})`;
  if (event === 'recovered') return `${head}: it was open since ${since}.`;
  return `${head}: ${message.slice(0, LONGEST)}\n  -> ${hint.slice(0, LONGEST)}${event === 'reminder' ? ` Open since ${since}.` : ''}\n  -> ${runbook}`;
}
