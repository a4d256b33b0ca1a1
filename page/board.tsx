import type { ComponentChildren } from 'preact';
import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import { createApi } from './api/calls.js';
import { createClient } from './api/client.js';
import type { CallError } from './api/errors.js';
import { TaskDialog } from './dialogs/task-dialog.js';
import { Alerts } from './panels/alerts.js';
import { Credentials } from './panels/credentials.js';
import { Drills } from './panels/drills.js';
import { Overview } from './panels/overview.js';
import { Panel } from './panels/panel.js';
import { Projects } from './panels/projects.js';
import { Runs } from './panels/runs.js';
import { Snapshots } from './panels/snapshots.js';
import { Tasks } from './panels/tasks.js';
import { TopBar } from './parts/top-bar.js';
import { DeskContext, type Desk, type Task } from './state/desk.js';
import { EVERY, useNewDesk } from './state/use-desk.js';

interface Props {
  readonly token: string;
  /** With the error when the server does not take the token any more. */
  readonly onSignOut: (error: CallError | null) => void;
  readonly themeButton: ComponentChildren;
}

/** All that somebody sees who is signed in. */
export function Board({ token, onSignOut, themeButton }: Props) {
  const api = useMemo(() => createApi(createClient(token, onSignOut)), [token, onSignOut]);
  const [task, setTask] = useState<Task | null>(null);
  const desk = useNewDesk(api, setTask);
  const close = useCallback(() => setTask(null), []);
  useEffect(() => {
    document.title = `${titleSign(desk)}soulcaster-backup`;
  });
  return (
    <DeskContext.Provider value={desk}>
      <TopBar deployment={desk.status.data?.deployment}>
        <button type="button" class="quiet" onClick={desk.refreshAll}>
          Refresh
        </button>
        {themeButton}
        <button type="button" class="quiet" onClick={() => onSignOut(null)}>
          Sign out
        </button>
      </TopBar>
      <main class="board">
        <h1 class="hidden">Operations</h1>
        <Overview />
        <Tasks />
        <Panels desk={desk} />
      </main>
      {task !== null && <TaskDialog task={task} onClose={close} />}
    </DeskContext.Provider>
  );
}

function Panels({ desk }: { readonly desk: Desk }) {
  const { status, snapshots, projects, refresh } = desk;
  const ofStatus = { feed: status, everyMs: EVERY.status, onRetry: refresh.status, quiet: true };
  return (
    <div class="panels">
      <div class="column main">
        <Panel title="Runs" name="runs" {...ofStatus}>
          {({ runs }) => <Runs runs={runs} />}
        </Panel>
        <Panel
          title="Snapshots"
          name="snapshots"
          feed={snapshots}
          everyMs={EVERY.snapshots}
          onRetry={refresh.snapshots}
        >
          {(list) => <Snapshots list={list} />}
        </Panel>
        <Panel title="Projects" name="projects" feed={projects} everyMs={EVERY.projects} onRetry={refresh.projects}>
          {(list) => <Projects list={list} />}
        </Panel>
      </div>
      <div class="column side">
        <Panel title="Alerts" name="alerts" {...ofStatus}>
          {({ alerts }) => <Alerts alerts={alerts} />}
        </Panel>
        <Panel title="Restore drills" name="drills" {...ofStatus}>
          {({ drills }) => <Drills drills={drills} />}
        </Panel>
        <Panel title="Credentials" name="credentials" {...ofStatus}>
          {(data) => <Credentials status={data} />}
        </Panel>
      </div>
    </div>
  );
}

function titleSign({ status }: Desk): string {
  if (status.data === null || status.error !== null) return '';
  return status.data.state === 'ok' ? '✓ ' : '✕ ';
}
