import type { Task } from '../state/desk.js';
import { BackupDialog } from './backup.js';
import { DrillDialog } from './drill.js';
import { ReindexDialog } from './reindex.js';
import { RestoreDialog } from './restore.js';
import { VerifyDialog } from './verify.js';

/** The dialog of what somebody asked for. */
export function TaskDialog({ task, onClose }: { readonly task: Task; readonly onClose: () => void }) {
  switch (task.name) {
    case 'backup':
      return <BackupDialog onClose={onClose} />;
    case 'verify':
      return <VerifyDialog snapshot={task.snapshot} onClose={onClose} />;
    case 'restore':
      return <RestoreDialog snapshot={task.snapshot} onClose={onClose} />;
    case 'reindex':
      return <ReindexDialog onClose={onClose} />;
    case 'drill':
      return <DrillDialog onClose={onClose} />;
  }
}
