import { useState } from 'preact/hooks';
import type { CallError } from '../api/errors.js';
import { Problem } from '../parts/problem.js';
import { useAppState } from '../state/app-state.js';
import { asCallError } from '../state/use-feed.js';

/** Saves all records of a snapshot as a file. A plain link cannot do that: the token is sent in a header. */
export function Download({ id }: { readonly id: string }) {
  const { api } = useAppState();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<CallError | null>(null);
  const save = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      const link = document.createElement('a');
      link.href = URL.createObjectURL(await api.download(id, {}));
      link.download = `${id}.jsonl.gz`;
      link.click();
      URL.revokeObjectURL(link.href);
    } catch (thrown) {
      setError(asCallError(thrown));
    }
    setBusy(false);
  };
  return (
    <>
      <button type="button" disabled={busy} onClick={() => void save()}>
        {busy ? 'Downloading…' : 'Download'}
      </button>
      {error !== null && <Problem title="The snapshot cannot be downloaded" error={error} />}
    </>
  );
}
