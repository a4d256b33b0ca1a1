import { useCallback, useState } from 'preact/hooks';
import type { ReindexOrder, Scope } from '../api/types.js';
import { useDesk } from '../state/desk.js';
import { commands } from '../words/commands.js';
import { ActionDialog } from './action-dialog.js';
import { Choices } from './choices.js';
import { ScopeField } from './scope-field.js';

const MODES = [
  ['in-place', 'All vectors', 'made anew; then those whose item is gone are removed'],
  ['missing', 'Missing vectors', 'only items that have none; nothing is removed'],
] as const;

/** Offers what leaves search as it is meanwhile. Clearing the index first is for the command line. */
export function ReindexDialog({ onClose }: { readonly onClose: () => void }) {
  const { api } = useDesk();
  const [scope, setScope] = useState<Scope | null>(null);
  const [mode, setMode] = useState<ReindexOrder['mode']>('in-place');
  const send = useCallback(() => api.reindex({ scope: scope ?? NOWHERE, mode }), [api, scope, mode]);
  return (
    <ActionDialog
      title="Re-index"
      kind="reindex"
      verb="Re-index"
      command={commands.reindex({ scope: scope ?? { project: 'PROJECT' }, mode })}
      send={send}
      ready={scope !== null}
      onClose={onClose}
    >
      <p>
        Makes search vectors from the feedback in Redis. Search goes on meanwhile. Every text is sent to the embedder.
      </p>
      <ScopeField scope={scope} onChange={setScope} />
      <Choices legend="Which vectors" value={mode} choices={MODES} onChange={setMode} />
    </ActionDialog>
  );
}

/** No project has this id: a button that is not ready sends nothing, and if it did, nothing would come of it. */
const NOWHERE: Scope = { project: ' ' };
