import { useDesk } from '../state/desk.js';
import { commands } from '../words/commands.js';
import { ActionDialog } from './action-dialog.js';

export function BackupDialog({ onClose }: { readonly onClose: () => void }) {
  const { api } = useDesk();
  return (
    <ActionDialog
      title="Back up now"
      kind="snapshot"
      verb="Back up now"
      command={commands.backup()}
      send={api.backup}
      onClose={onClose}
    >
      <p>
        Takes a snapshot of the whole database, and reads it back before it counts. Nothing in the database changes.
      </p>
    </ActionDialog>
  );
}
