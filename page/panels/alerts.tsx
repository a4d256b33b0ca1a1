import type { Alert } from '../api/types.js';
import { Age } from '../parts/age.js';
import { Sign } from '../parts/badge.js';

/** The alerts that are open, with what to do. */
export function Alerts({ alerts }: { readonly alerts: readonly Alert[] }) {
  if (alerts.length === 0) return <p class="empty">No alert is open.</p>;
  return (
    <ul class="alerts">
      {alerts.map((alert) => (
        <li key={`${alert.code} ${alert.subject ?? ''}`}>
          <p class="alert-title">
            <Sign tone="bad" /> <strong>{alert.message}</strong>
          </p>
          <p class="hint">{alert.hint}</p>
          <p class="meta">
            <code>{alert.code}</code> open since <Age at={alert.since} />
            {alert.lastSentAt === null ? ', not sent anywhere' : ''}
          </p>
        </li>
      ))}
    </ul>
  );
}
