import type { ComponentChildren } from 'preact';
import { useEffect, useId, useState } from 'preact/hooks';
import { CallError } from './api/errors.js';
import { createClient } from './api/client.js';
import type { PublicStatus } from './api/types.js';
import { Dialog } from './dialogs/dialog.js';
import { Label } from './parts/frame.js';
import { Problem, Badge } from './parts/text.js';
import { isPossibleToken, showIcon, useTheme } from './state/browser.js';
import { asCallError } from './state/use-feed.js';
import type { Tone } from './words/labels.js';

interface Props {
  /** Why the operator was signed out; null when they signed out themselves. */
  readonly refusal: CallError | null;
  readonly onAccepted: (token: string) => void;
}

const NO_TOKEN = new CallError(
  'unauthorized',
  'This is not a valid token',
  'A token holds ASCII characters without spaces.',
  401,
);

const STATES: Readonly<Record<PublicStatus['state'], readonly [Tone, string]>> = {
  ok: ['good', 'all four answers are ok'],
  degraded: ['bad', 'something is not ok'],
  unknown: ['warn', 'the state is not known'],
};

/** Prompts for the admin token and shows the deployment. The token is stored only after the server accepted it. */
export function SignIn({ refusal, onAccepted }: Props) {
  const [theme, toggleTheme] = useTheme();
  const deployment = usePublicStatus();
  return (
    <>
      <header class="frame">
        <div class="frame-row">
          <Label label={deployment?.label ?? null} />
          <span class="product">soulcaster-backup</span>
          <button type="button" class="quiet end" onClick={toggleTheme}>
            {theme === 'dark' ? 'Light theme' : 'Dark theme'}
          </button>
        </div>
      </header>
      <main class="sign-in">
        <h1>Sign in</h1>
        <p>
          <strong>{location.host}</strong>
        </p>
        {/* The space is reserved until the state is known, so that the form does not move under the pointer. */}
        <p class="state">
          {deployment !== null && <Badge tone={STATES[deployment.state][0]}>{STATES[deployment.state][1]}</Badge>}
        </p>
        <TokenForm refusal={refusal} onAccepted={onAccepted} />
        <p class="hint">
          <a href="/assets/runbook.html">Runbook</a>: what to do when data is lost, and without this page.
        </p>
      </main>
    </>
  );
}

/** The sign-in form in a dialog over the board, whose input is kept, when the server no longer accepts the token. */
export function SignInAgain({ refusal, onAccepted }: Props & { readonly refusal: CallError }) {
  return (
    <Dialog title="Sign in again" onClose={null}>
      <p>What you began is still here. It continues once the token is accepted.</p>
      <TokenForm refusal={refusal} onAccepted={onAccepted} />
    </Dialog>
  );
}

function TokenForm({ refusal, onAccepted }: Props): ComponentChildren {
  const id = useId();
  const [typed, setTyped] = useState('');
  const [isChecking, setChecking] = useState(false);
  const [error, setError] = useState(refusal);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const token = typed.trim();
    setChecking(true);
    setError(null);
    const refused = isPossibleToken(token) ? await checkToken(token) : NO_TOKEN;
    setChecking(false);
    if (refused === null) onAccepted(token);
    else setError(refused);
  };
  return (
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
      <div class="buttons">
        <button type="submit" class="primary" disabled={isChecking}>
          {isChecking ? 'Signing in…' : 'Sign in'}
        </button>
      </div>
    </form>
  );
}

/** The public status of the deployment; null until it is loaded. */
function usePublicStatus(): PublicStatus | null {
  const [known, setKnown] = useState<PublicStatus | null>(null);
  useEffect(() => {
    fetch('/api/status', { cache: 'no-store', credentials: 'omit', redirect: 'error' })
      .then((answer) => answer.json() as Promise<Partial<PublicStatus>>)
      .then(({ state, at = null, label = null }) => {
        if (state !== 'ok' && state !== 'degraded' && state !== 'unknown') return;
        setKnown({ state, at, label });
        showIcon(STATES[state][0]);
      })
      .catch(() => undefined);
  }, []);
  return known;
}

function titleOf(error: CallError): string {
  return error.status === 401 ? 'The token was not accepted' : 'Signing in failed';
}

/** Both check the token first. Two, because one of the functions may be down during an incident. */
const TOKEN_PROBES = ['/api/snapshots?limit=1', '/api/status'] as const;

/** Why the server refuses a token; null when it accepts it. A function that fails later has accepted the token. */
async function checkToken(token: string): Promise<CallError | null> {
  const client = createClient(
    () => token,
    () => undefined,
  );
  let last: CallError | null = null;
  for (const path of TOKEN_PROBES) {
    try {
      await client.get(path);
      return null;
    } catch (thrown) {
      last = asCallError(thrown);
      if (last.status === 401) return last;
      if (last.code !== 'unreachable' && last.code !== 'no-answer' && last.code !== 'not-found') return null;
    }
  }
  return last;
}
