import { useCallback, useState } from 'preact/hooks';
import { useAppState } from '../state/app-state.js';
import { navigate } from '../state/route.js';
import { changeQuery } from '../words/address.js';
import { ReindexDialog } from './reindex.js';
import { commands } from '../words/commands.js';
import { ActionDialog } from './action-dialog.js';
import { SnapshotField } from './fields.js';

/** The dialog that the address names: `?do=verify&of=ID`. Reload and back keep the dialog. */
export function TaskDialog() {
  const { route } = useAppState();
  const of = route.query.get('of') ?? undefined;
  const close = (): void => navigate(changeQuery(route, { do: null, of: null, retry: null, drop: null }));
  switch (route.query.get('do') ?? '') {
    case 'backup':
      return <BackupDialog onClose={close} />;
    case 'verify':
      return <VerifyDialog snapshot={of} onClose={close} />;
    case 'reindex':
      return (
        <ReindexDialog
          project={of}
          retry={route.query.get('retry') ?? undefined}
          drop={route.query.get('drop')}
          onClose={close}
        />
      );
    case 'drill':
      return <DrillDialog onClose={close} />;
    default:
      return null;
  }
}

function BackupDialog({ onClose }: { readonly onClose: () => void }) {
  const { api } = useAppState();
  return (
    <ActionDialog
      title="Back up now"
      kind="snapshot"
      verb="Back up now"
      command={commands.backup()}
      send={api.backup}
      onClose={onClose}
    >
      <p>Takes a snapshot of the whole database and verifies it by reading it back. The database is not changed.</p>
    </ActionDialog>
  );
}

function DrillDialog({ onClose }: { readonly onClose: () => void }) {
  const { api } = useAppState();
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

interface Props {
  readonly snapshot: string | undefined;
  readonly onClose: () => void;
}

function VerifyDialog({ snapshot, onClose }: Props) {
  const { api, snapshots } = useAppState();
  const [picked, setPicked] = useState(snapshot ?? '');
  // The list may arrive after the dialog was opened by its address.
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
