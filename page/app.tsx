import { useCallback, useState } from 'preact/hooks';
import type { CallError } from './api/errors.js';
import { Board } from './board.js';
import { SignIn } from './sign-in.js';
import { forgetToken, keepToken, keptToken } from './state/session.js';
import { useTheme } from './state/theme.js';

/** The page: the sign-in, or the board of whoever is signed in. */
export function App() {
  const [token, setToken] = useState(keptToken);
  const [refusal, setRefusal] = useState<CallError | null>(null);
  const [theme, toggleTheme] = useTheme();
  const signIn = useCallback((accepted: string) => {
    keepToken(accepted);
    setRefusal(null);
    setToken(accepted);
  }, []);
  const signOut = useCallback((error: CallError | null) => {
    forgetToken();
    setRefusal(error);
    setToken(null);
  }, []);
  const toggle = (
    <button type="button" class="quiet" onClick={toggleTheme}>
      {theme === 'dark' ? 'Light theme' : 'Dark theme'}
    </button>
  );
  if (token === null) return <SignIn refusal={refusal} onAccepted={signIn} themeButton={toggle} />;
  return <Board key={token} token={token} onSignOut={signOut} themeButton={toggle} />;
}
