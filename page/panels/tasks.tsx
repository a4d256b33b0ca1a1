import { useDesk } from '../state/desk.js';

/** The few actions there are. Each opens a dialog; none does anything by itself. */
export function Tasks() {
  const { open } = useDesk();
  return (
    <nav class="tasks" aria-label="Actions">
      <button type="button" class="primary" onClick={() => open({ name: 'backup' })}>
        Back up now…
      </button>
      <button type="button" onClick={() => open({ name: 'restore' })}>
        Restore…
      </button>
      <button type="button" onClick={() => open({ name: 'verify' })}>
        Verify…
      </button>
      <button type="button" onClick={() => open({ name: 'reindex' })}>
        Re-index…
      </button>
      <button type="button" onClick={() => open({ name: 'drill' })}>
        Drill…
      </button>
    </nav>
  );
}
