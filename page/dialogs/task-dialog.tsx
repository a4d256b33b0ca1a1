import { useCallback, useState, useId } from 'preact/hooks';
import { useAppState } from '../state/app-state.js';
import { navigate } from '../state/browser.js';
import { changeQuery } from '../words/address.js';
import { commands } from '../words/commands.js';
import { ActionDialog, SnapshotField, Choices, TypedWord, ScopeField } from './dialog.js';
import type { WholeScope } from '../api/types.js';

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

function VerifyDialog({ snapshot, onClose }: { readonly snapshot: string | undefined; readonly onClose: () => void }) {
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

const MODES = [
  ['in-place', 'All vectors', 'rebuilt; vectors without an item are removed'],
  ['missing', 'Missing vectors', 'only for items without a vector; nothing is removed'],
  ['beside', 'Beside the old ones', 'of every project, under another suffix; search still uses the old ones'],
] as const;
type Choice = (typeof MODES)[number][0];

interface ReindexProps {
  readonly project: string | undefined;
  /** The run whose remaining items are to be embedded. */
  readonly retry: string | undefined;
  /** The suffix of new vectors whose old ones are to be removed; empty: those of the next index. */
  readonly drop: string | null;
  readonly onClose: () => void;
}

/** Offers the modes during which search keeps working. Clearing the index first is left to the command line. */
function ReindexDialog({ project, retry, drop, onClose }: ReindexProps) {
  if (retry !== undefined) return <RetryDialog run={retry} onClose={onClose} />;
  if (drop !== null) return <DropDialog suffix={drop} onClose={onClose} />;
  return <BuildDialog project={project} onClose={onClose} />;
}

function BuildDialog({ project, onClose }: Pick<ReindexProps, 'project' | 'onClose'>) {
  const { api } = useAppState();
  const id = useId();
  const [scope, setScope] = useState<WholeScope | null>(project === undefined ? null : { project });
  const [mode, setMode] = useState<Choice>('in-place');
  const [suffix, setSuffix] = useState(':new');
  const order =
    mode === 'beside'
      ? { scope: { all: true } as const, beside: { index: 'same' as const, suffix } }
      : { scope: scope ?? { project: 'PROJECT' }, mode };
  const send = useCallback(() => api.reindex(order), [api, JSON.stringify(order)]);
  return (
    <ActionDialog
      title="Re-index"
      kind="reindex"
      verb="Re-index"
      command={commands.reindex(order)}
      send={send}
      ready={mode === 'beside' ? suffix !== '' : scope !== null}
      onClose={onClose}
    >
      <p>
        Makes search vectors from the feedback in Redis. Search works meanwhile. Every text is sent to the embedder,
        which costs money.
      </p>
      {mode !== 'beside' && <ScopeField scope={scope} onChange={setScope} />}
      <Choices legend="Which vectors" value={mode} choices={MODES} onChange={setMode} />
      {mode === 'beside' && (
        <div class="field">
          <label for={id}>Suffix of the new namespaces</label>
          <input
            id={id}
            value={suffix}
            maxLength={64}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => setSuffix(event.currentTarget.value)}
          />
        </div>
      )}
    </ActionDialog>
  );
}

function RetryDialog({ run, onClose }: { readonly run: string; readonly onClose: () => void }) {
  const { api } = useAppState();
  const send = useCallback(() => api.reindex({ retry: run }), [api, run]);
  return (
    <ActionDialog
      title="Retry a re-index"
      kind="reindex"
      verb="Retry"
      command={commands.reindex({ retry: run })}
      send={send}
      onClose={onClose}
    >
      <p>
        Embeds the items that run <code>{run}</code> has left. Items that it embedded are not embedded again.
      </p>
    </ActionDialog>
  );
}

function DropDialog({ suffix, onClose }: { readonly suffix: string; readonly onClose: () => void }) {
  const { api } = useAppState();
  const [typed, setTyped] = useState('');
  const index = suffix === '' ? ('next' as const) : ('same' as const);
  const word = suffix === '' ? 'next' : suffix;
  const order = { scope: { all: true }, beside: { index, suffix }, dropOld: true } as const;
  const send = useCallback(() => api.reindex({ ...order, confirm: typed }), [api, suffix, typed]);
  return (
    <ActionDialog
      title="Remove the old vectors"
      kind="reindex"
      verb="Remove the old vectors"
      command={commands.reindex(order)}
      send={send}
      ready={typed === word}
      onClose={onClose}
    >
      <p>
        Removes the vectors that were searched before, once those of <code>{word}</code> are proven. Do this only when
        the application searches the new vectors. It cannot be undone: to get the old vectors back, everything must be
        embedded again.
      </p>
      <TypedWord
        what={index === 'next' ? 'the word' : 'the suffix of the new vectors'}
        word={word}
        value={typed}
        onChange={setTyped}
      />
    </ActionDialog>
  );
}
