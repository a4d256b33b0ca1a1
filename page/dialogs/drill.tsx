import { useDesk } from '../state/desk.js';
import { commands } from '../words/commands.js';
import { ActionDialog } from './action-dialog.js';

export function DrillDialog({ onClose }: { readonly onClose: () => void }) {
  const { api } = useDesk();
  return (
    <ActionDialog
      title="Restore drill"
      kind="drill"
      verb="Start the drill"
      command={commands.drill()}
      send={api.drill}
      onClose={onClose}
    >
      <p>
        Restores the newest verified snapshot into the scratch database, compares every key, measures the time and wipes
        the scratch database again. The protected database is not touched.
      </p>
    </ActionDialog>
  );
}
