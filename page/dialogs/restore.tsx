import { useCallback, useState } from 'preact/hooks';
import type { RestoreOrder, Scope } from '../api/types.js';
import { useDesk } from '../state/desk.js';
import { useAction } from '../state/use-action.js';
import { confirmationFor, newestRestorable, planOf, plannedScope } from '../state/restore.js';
import { Dialog } from './dialog.js';
import { Follow } from './follow.js';
import { RestoreConfirm } from './restore-confirm.js';
import { RestoreForm } from './restore-form.js';
import { PlanTable } from './plan-table.js';

interface Props {
  readonly snapshot: string | undefined;
  readonly onClose: () => void;
}

/** What is to be restored; the scope is null as long as no project is chosen. */
export interface Wanted {
  readonly snapshot: string;
  readonly scope: Scope | null;
  readonly mode: RestoreOrder['mode'];
}

/** Choose, see the plan, type what it is about, watch. Nothing is written before the third step. */
export function RestoreDialog({ snapshot, onClose }: Props) {
  const { api, snapshots, status } = useDesk();
  const [wanted, setWanted] = useState<Wanted>(() => ({
    snapshot: snapshot ?? newestRestorable(snapshots.data?.snapshots ?? []) ?? '',
    scope: null,
    mode: 'replace',
  }));
  const [typed, setTyped] = useState('');
  const isForeign = snapshots.data?.snapshots.find(({ id }) => id === wanted.snapshot)?.own === false;
  const deployment = status.data?.deployment;
  const order = useCallback(
    (scope: Scope | null, dryRun: boolean, confirm: string | null) => {
      if (scope === null) return Promise.reject(new Error('Nothing is chosen'));
      return api.restore({ ...wanted, scope, dryRun, confirm, ...(isForeign ? { fromSource: true } : {}) });
    },
    [api, wanted, isForeign],
  );
  const look = useAction(
    'restore',
    useCallback(() => order(wanted.scope, true, null), [order, wanted]),
  );
  const scope = plannedScope(look.step === 'over' ? look.run.data : null, wanted.scope);
  const restore = useAction(
    'restore',
    useCallback(() => {
      return order(scope, false, isForeign && scope !== null ? confirmationFor({ ...wanted, scope }) : typed);
    }, [order, typed, wanted, scope, isForeign]),
  );

  const plan = look.step === 'over' ? planOf(look.run.data) : null;
  const back = (): void => {
    setTyped('');
    restore.reset();
    look.reset();
  };
  const choosing = look.step === 'idle' || look.step === 'refused';
  const confirming = restore.step === 'idle' || restore.step === 'refused';
  return (
    <Dialog title="Restore" onClose={onClose}>
      {choosing && <RestoreForm wanted={wanted} onChange={setWanted} onShowPlan={look.start} onClose={onClose} />}
      {confirming && (
        <Follow action={look}>{plan === null ? undefined : <PlanTable plan={plan} wanted={wanted} />}</Follow>
      )}
      {look.step === 'over' && confirming && (
        <RestoreConfirm
          wanted={{ ...wanted, scope }}
          plan={plan}
          deployment={deployment}
          isForeign={isForeign}
          typed={typed}
          onType={setTyped}
          onBack={back}
          onRestore={restore.start}
        />
      )}
      <Follow action={restore} />
    </Dialog>
  );
}
