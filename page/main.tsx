import { render } from 'preact';
import { useCallback, useEffect, useMemo, useRef, useState, useErrorBoundary, useLayoutEffect } from 'preact/hooks';
import './style/index.css';
import { createApi, type Api } from './api/calls.js';
import { type CallError } from './api/errors.js';
import { createClient } from './api/client.js';
import { SignIn, SignInAgain } from './sign-in.js';
import { removeToken, saveToken, loadToken, useRoute, useZone } from './state/browser.js';
import { TaskDialog } from './dialogs/task-dialog.js';
import { Frame } from './parts/frame.js';
import { AppStateContext, useFeeds } from './state/app-state.js';
import { HealthView } from './views/health.js';
import { HomeView } from './views/home.js';
import { ProjectView, ProjectsView } from './views/projects.js';
import { RestoreView } from './views/restore.js';
import { RunView } from './views/run.js';
import { RunsView } from './views/runs.js';
import { SnapshotView } from './views/snapshot.js';
import { SnapshotsView } from './views/snapshots.js';

const place = document.getElementById('app');
if (place !== null) {
  place.replaceChildren();
  render(<App />, place);
}

/** The page: the sign-in form, or the board once the operator is signed in. */
function App() {
  const [isSignedIn, setSignedIn] = useState(() => loadToken() !== null);
  const [refusal, setRefusal] = useState<CallError | null>(null);
  const token = useRef(loadToken());
  const refuse = useCallback((error: CallError) => {
    token.current = null;
    removeToken();
    setRefusal(error);
  }, []);
  const api = useMemo(() => createApi(createClient(() => token.current, refuse)), [refuse]);
  const signIn = useCallback((accepted: string) => {
    token.current = accepted;
    saveToken(accepted);
    setRefusal(null);
    setSignedIn(true);
  }, []);
  const signOut = useCallback(() => {
    token.current = null;
    removeToken();
    setRefusal(null);
    setSignedIn(false);
  }, []);
  useEffect(() => {
    if (!isSignedIn) document.title = 'Sign in · soulcaster-backup';
  }, [isSignedIn]);
  if (!isSignedIn) return <SignIn refusal={refusal} onAccepted={signIn} />;
  return <Board api={api} refusal={refusal} onSignIn={signIn} onSignOut={signOut} />;
}

interface BoardProps {
  readonly api: Api;
  /** Why the server no longer accepts the token; null while it does. */
  readonly refusal: CallError | null;
  readonly onSignIn: (token: string) => void;
  readonly onSignOut: () => void;
}

/** Everything a signed-in operator sees. Unfinished input is kept while the operator signs in again after a refused token. */
function Board({ api, refusal, onSignIn, onSignOut }: BoardProps) {
  const route = useRoute();
  const [zone, toggleZone] = useZone();
  const feeds = useFeeds(api);
  const main = useRef<HTMLElement>(null);
  const path = route.path.join('/');
  const known = useRef(path);
  useLayoutEffect(() => {
    if (known.current === path) return;
    known.current = path;
    // Keyboard and screen reader users continue at the heading of the new view.
    main.current?.querySelector<HTMLElement>('h1')?.focus();
    scrollTo(0, 0);
  }, [path]);
  if (refusal !== null && feeds.status.data === null) return <SignIn refusal={refusal} onAccepted={onSignIn} />;
  const app = { api, route, zone, ...feeds };
  const signedIn = (token: string): void => {
    onSignIn(token);
    feeds.refreshAll();
  };
  return (
    <AppStateContext.Provider value={app}>
      <Frame onToggleZone={toggleZone} onSignOut={onSignOut}>
        <main ref={main} key={path}>
          <View path={route.path} />
        </main>
      </Frame>
      <TaskDialog />
      {refusal !== null && <SignInAgain refusal={refusal} onAccepted={signedIn} />}
    </AppStateContext.Provider>
  );
}

/** A view that fails to render does not affect the other views. */
function View({ path }: { readonly path: readonly string[] }) {
  const fault: unknown = useErrorBoundary()[0];
  if (fault === undefined) return <ViewOf path={path} />;
  return (
    <>
      <h1 tabIndex={-1}>This view cannot be shown</h1>
      <p>
        The page has a bug. No data is lost and nothing was changed. Reload the page, or use the command line as the{' '}
        <a href="/assets/runbook.html">runbook</a> describes.
      </p>
      <p>
        <code>{fault instanceof Error ? fault.message : 'no reason is known'}</code>
      </p>
    </>
  );
}

function ViewOf({ path: [view, id] }: { readonly path: readonly string[] }) {
  switch (view) {
    case undefined:
      return <HomeView />;
    case 'runs':
      return id === undefined ? <RunsView /> : <RunView id={id} />;
    case 'snapshots':
      return id === undefined ? <SnapshotsView /> : <SnapshotView id={id} />;
    case 'projects':
      return id === undefined ? <ProjectsView /> : <ProjectView id={id} />;
    case 'health':
      return <HealthView />;
    case 'restore':
      return <RestoreView />;
    default:
      return (
        <>
          <h1 tabIndex={-1}>There is no such view</h1>
          <p>
            Go to <a href="#/">the overview</a>.
          </p>
        </>
      );
  }
}
