import type { ComponentChildren } from 'preact';
import { useId, useState } from 'preact/hooks';
import { createClient } from './api/client.js';
import { CallError } from './api/errors.js';
import { Problem } from './parts/problem.js';
import { TopBar } from './parts/top-bar.js';
import { isPossibleToken } from './state/session.js';
import { asCallError } from './state/use-feed.js';

interface Props {
  /** Why somebody who was signed in is not any more; null when they signed out themselves. */
  readonly refusal: CallError | null;
  readonly onAccepted: (token: string) => void;
  readonly themeButton: ComponentChildren;
}

const NO_TOKEN = new CallError('unauthorized', 'That cannot be a token', 'A token has no spaces and no accents.', 401);

/** Asks for the admin token. Nothing is kept before the server has accepted it. */
export function SignIn({ refusal, onAccepted, themeButton }: Props) {
  const id = useId();
  const [typed, setTyped] = useState('');
  const [asking, setAsking] = useState(false);
  const [error, setError] = useState(refusal);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const token = typed.trim();
    setAsking(true);
    setError(null);
    const refused = isPossibleToken(token) ? await refusalOf(token) : NO_TOKEN;
    setAsking(false);
    if (refused === null) onAccepted(token);
    else setError(refused);
  };
  return (
    <>
      <TopBar>{themeButton}</TopBar>
      <main class="sign-in">
        <h1>Sign in</h1>
        <p>
          <strong>{location.host}</strong>
        </p>
        <p>Whether the data is safe, what is running, and what can be done about it.</p>
        <form onSubmit={(event) => void submit(event)}>
          {error !== null && <Problem title={titleOf(error)} error={error} />}
          <div class="field">
            <label for={id}>Admin token</label>
            <input
              id={id}
              type="password"
              required
              autofocus
              autocomplete="current-password"
              value={typed}
              onInput={(event) => setTyped(event.currentTarget.value)}
            />
            <p class="hint">
              The value of <code>ADMIN_TOKEN</code>. It is kept until you close this tab.
            </p>
          </div>
          <button type="submit" class="primary" disabled={asking}>
            {asking ? 'Signing in…' : 'Sign in'}
          </button>
        </form>
      </main>
    </>
  );
}

function titleOf(error: CallError): string {
  return error.status === 401 ? 'The token was not accepted' : 'Signing in failed';
}

/** Both demand the token before all else; one of them may be broken on the night when it matters. */
const DOORS = ['/api/snapshots?limit=1', '/api/status'] as const;

/** Why a token does not open the door; null when it does. A function that failed at its work has let it in. */
async function refusalOf(token: string): Promise<CallError | null> {
  const client = createClient(token, () => undefined);
  let last: CallError | null = null;
  for (const door of DOORS) {
    try {
      await client.get(door);
      return null;
    } catch (thrown) {
      last = asCallError(thrown);
      if (last.status === 401) return last;
      if (last.code !== 'unreachable' && last.code !== 'no-answer' && last.code !== 'not-found') return null;
    }
  }
  return last;
}
