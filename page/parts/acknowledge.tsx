import type { AlertFigures } from '../api/types.js';
import { useDesk } from '../state/desk.js';
import { Ask } from './ask.js';

/** Says that an alert is known, and why. */
export function Acknowledge({ alert }: { readonly alert: Pick<AlertFigures, 'code' | 'subject'> }) {
  const { api, refresh } = useDesk();
  return (
    <Ask
      open="Acknowledge…"
      verb="Acknowledge"
      reason="Why is it known, or meant?"
      onDo={(reason) => api.acknowledge(alert.code, alert.subject, reason)}
      onDone={refresh.status}
    >
      The alert is closed. It opens again when it says something else, or after a week.
    </Ask>
  );
}
