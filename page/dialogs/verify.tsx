import { useCallback, useState } from 'preact/hooks';
import { useDesk } from '../state/desk.js';
import { commands } from '../words/commands.js';
import { ActionDialog } from './action-dialog.js';
import { SnapshotField } from './snapshot-field.js';

interface Props {
  readonly snapshot: string | undefined;
  readonly onClose: () => void;
}

export function VerifyDialog({ snapshot, onClose }: Props) {
  const { api, snapshots } = useDesk();
  const [picked, setPicked] = useState(snapshot ?? '');
  // The list may come after the dialog was opened by its address.
  const chosen = picked === '' ? (snapshots.data?.snapshots[0]?.id ?? '') : picked;
  const send = useCallback(() => api.verify(chosen), [api, chosen]);
  return (
    <ActionDialog
      title="Verify a snapshot"
      kind="verify"
      verb="Verify"
      command={commands.verify(chosen === '' ? 'latest' : chosen)}
      send={send}
      ready={chosen !== ''}
      onClose={onClose}
    >
      <p>Reads it back from the store and checks all of it: the chain, the signature, every part. Changes nothing.</p>
      <SnapshotField value={chosen} onChange={setPicked} />
    </ActionDialog>
  );
}
