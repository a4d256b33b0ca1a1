import { isSet } from '../app/config.js';
import { connect } from '../app/connect.js';
import { protectedDatabase } from '../app/connect/database.js';
import { acknowledgeAlerts } from '../monitoring/alerts/acknowledge.js';
import { sendTestAlert } from '../monitoring/alerts/messages.js';
import type { AlertFigures, DeliveryFigures } from '../monitoring/status/figures.js';
import type { Acknowledgement } from '../monitoring/state.js';
import { statusReport } from '../monitoring/status/report.js';
import { liveServices } from '../app/live-services.js';
import { drills } from '../restore/drill/record.js';
import { alertRules } from '../app/settings.js';
import type { Context } from './context.js';
import { counted } from '../formats.js';
import { facts } from './output/table.js';
import { openTrust } from './trust.js';

/**
 * `alerts`: open alerts, evaluated now in case the guard no longer runs; acknowledged alerts; and whether messages arrive.
 * Exit 1 when any alert is open.
 */
export async function listAlerts(context: Context): Promise<number> {
  const { env } = context;
  const trust = await openTrust(context);
  const report = await statusReport(trust, () => drills(trust.store, trust.own), alertRules(env), liveServices(env));
  const { acknowledged, alerts, delivery } = report;
  const configured = isSet(env, 'ALERT_WEBHOOK_URL');
  context.print(
    [
      alerts.length === 0 ? 'No alert is open.' : alerts.map(formatAlert).join('\n'),
      ...acknowledged.map(formatAcknowledgement),
      facts(deliveryRows(delivery, configured)),
    ].join('\n\n'),
  );
  context.document({ alerts, acknowledged, delivery: { ...delivery, configured } });
  return alerts.length === 0 ? 0 : 1;
}

/** `alerts test`: sends a test message and prints the answer. Exit 1 unless it was delivered. */
export async function testAlerts(context: Context): Promise<number> {
  const result = await sendTestAlert({
    ...connect(context.env, ['alerter', 'clock', 'store']),
    log: context.log,
    own: protectedDatabase(context.env).source,
  });
  const { error, milliseconds, outcome } = result;
  const words = { delivered: 'The test message was delivered', unknown: 'Delivery not known', failed: 'Not delivered' }[
    outcome
  ];
  context.print(error === null ? `${words} (${milliseconds} ms).` : `${words}: ${error.message}\n  -> ${error.hint}`);
  context.document(result);
  return outcome === 'delivered' ? 0 : 1;
}

/** `alerts ack`: acknowledges an open alert, with a reason. */
export async function acknowledgeAlert(
  context: Context,
  code: string,
  subject: string | undefined,
  { reason, until }: { readonly reason: string; readonly until?: string },
): Promise<number> {
  const end = until === undefined ? null : new Date(until).toISOString();
  const ports = {
    ...connect(context.env, ['clock', 'store'], { log: context.log }),
    own: protectedDatabase(context.env).source,
  };
  const acknowledged = await acknowledgeAlerts(ports, { code, subject: subject ?? null, reason, until: end });
  context.print(acknowledged.map(formatAcknowledgement).join('\n'));
  context.document({ acknowledged });
  return 0;
}

function formatAlert({ code, hint, lastSentAt, message, runbook, since, subject }: AlertFigures): string {
  const sent = lastSentAt === null ? 'NOT SENT YET' : `sent ${lastSentAt}`;
  return `ALERT ${code} (${subject}), since ${since}, ${sent}: ${message}\n  -> ${hint}\n  -> ${runbook}`;
}

function formatAcknowledgement({ code, reason, subject, until }: Acknowledgement): string {
  const end = until === null ? 'until its message changes or it ends' : `until ${until}`;
  return `acknowledged ${code} (${subject}), ${end}: ${reason}`;
}

function deliveryRows(
  { lastFailure, lastSentAt, undelivered }: DeliveryFigures,
  configured: boolean,
): [string, string][] {
  const channel = configured ? 'ALERT_WEBHOOK_URL is set' : 'ALERT_WEBHOOK_URL IS NOT SET: no alerts are sent';
  const failure = lastFailure === null ? 'none' : `${lastFailure.outcome} ${lastFailure.at}: ${lastFailure.message}`;
  return [
    ['channel', channel],
    ['last delivered', lastSentAt ?? 'never'],
    ['last failure', failure],
    [
      'undelivered',
      undelivered.length === 0 ? 'none' : `${counted(undelivered.length, 'alert')}: ${undelivered.join('; ')}`,
    ],
  ];
}
