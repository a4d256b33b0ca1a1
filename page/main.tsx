import { render } from 'preact';
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import './style/index.css';
import { createApi } from './api/calls.js';
import { createClient } from './api/client.js';
import type { CallError } from './api/errors.js';
import { Board } from './board.js';
import { SignIn } from './sign-in.js';
import { removeToken, saveToken, loadToken } from './state/session.js';

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
