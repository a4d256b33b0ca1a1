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
  const [chosen, setChosen] = useState(snapshot ?? snapshots.data?.snapshots[0]?.id ?? '');
  const send = useCallback(() => api.verify(chosen), [api, chosen]);
  return (
    <ActionDialog
      title="Verify a snapshot"
      kind="verify"
      verb="Verify"
      command={commands.verify(chosen)}
      send={send}
      ready={chosen !== ''}
      onClose={onClose}
    >
      <p>Reads it back from the store and checks all of it: the chain, the signature, every part. Changes nothing.</p>
      <SnapshotField value={chosen} onChange={setChosen} />
    </ActionDialog>
  );
}
