import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import type { Deployment } from '../api/types.js';
import { deploymentOf, useAppState } from '../state/app-state.js';
import { isStale } from '../state/feed.js';
import { showIcon, useTheme } from '../state/browser.js';
import { useNow } from '../state/use-feed.js';
import { formatClock } from '../words/format.js';
import { verdictOf, type Verdict } from '../words/verdict.js';
import { Sign } from './text.js';

interface Props {
  readonly onToggleZone: () => void;
  readonly onSignOut: () => void;
  readonly children: ComponentChildren;
}

const VIEWS = [
  ['', 'Overview'],
  ['runs', 'Runs'],
  ['snapshots', 'Snapshots'],
  ['projects', 'Projects'],
  ['health', 'Health'],
] as const;

/** Surrounds every view: the deployment, the overall state and the navigation. */
export function Frame({ onToggleZone, onSignOut, children }: Props) {
  const app = useAppState();
  const { refreshAll, route, zone } = app;
  const [theme, toggleTheme] = useTheme();
  const now = useNow();
  const verdict = useVerdict();
  const deployment = deploymentOf(app);
  useEffect(() => {
    document.title = `${TITLE_SIGNS[verdict.tone]}${titleOf(route.path)} · ${deployment?.label ?? 'soulcaster-backup'}`;
    showIcon(verdict.tone);
  }, [verdict.tone, route, deployment?.label]);
  return (
    <>
      <header class="frame">
        <div class="frame-row">
          <Label label={deployment?.label ?? null} />
          {deployment !== null && <DeploymentFacts deployment={deployment} />}
          <span class="clock">{formatClock(now, zone)}</span>
        </div>
        <div class="frame-row">
          <nav class="views" aria-label="Views">
            {VIEWS.map(([path, name]) => (
              <a key={path} href={`#/${path}`} aria-current={(route.path[0] ?? '') === path ? 'page' : undefined}>
                {path === '' && <Sign tone={verdict.tone} />}
                {name}
              </a>
            ))}
            <a href="/assets/runbook.html">Runbook</a>
          </nav>
          <div class="buttons">
            <button type="button" class="quiet" onClick={onToggleZone}>
              {zone === 'utc' ? 'Local time' : 'UTC'}
            </button>
            <button type="button" class="quiet" onClick={toggleTheme}>
              {theme === 'dark' ? 'Light theme' : 'Dark theme'}
            </button>
            <button type="button" class="quiet" onClick={refreshAll}>
              Refresh
            </button>
            <button type="button" class="quiet" onClick={onSignOut}>
              Sign out
            </button>
          </div>
        </div>
      </header>
      {children}
    </>
  );
}

const TITLE_SIGNS: Readonly<Record<Verdict['tone'], string>> = {
  good: '✓ ',
  bad: '✕ ',
  warn: '! ',
  busy: '',
  plain: '',
};

function titleOf([view, id]: readonly string[]): string {
  const name = VIEWS.find(([path]) => path === (view ?? ''))?.[1] ?? (view === 'restore' ? 'Restore' : 'Overview');
  return id === undefined ? name : `${id} · ${name}`;
}

/** The verdict on the last known status, and whether that status is old. */
export function useVerdict(): Verdict & { readonly isOld: boolean } {
  const { status, statusEveryMs } = useAppState();
  const now = useNow();
  const isOld = status.at !== null && (status.error !== null || isStale(status, statusEveryMs, now));
  return { ...verdictOf(status, isOld), isOld };
}

/** BACKUP_LABEL in a colour that depends on the label alone, so that deployments can be distinguished at a glance. */
export function Label({ label }: { readonly label: string | null }) {
  if (label === null) return null;
  return <strong class={`label-badge hue-${hueOf(label)}`}>{label}</strong>;
}

/** Database host, store and version. */
function DeploymentFacts({ deployment: { database, store, version } }: { readonly deployment: Deployment }) {
  return (
    <dl class="whose">
      <div>
        <dt>Database</dt>
        <dd>{database ?? 'none configured'}</dd>
      </div>
      <div>
        <dt>Store</dt>
        <dd>{store ?? 'none configured'}</dd>
      </div>
      <div>
        <dt>Version</dt>
        <dd>{version}</dd>
      </div>
    </dl>
  );
}

const HUES = 6;

/** Labels of production are always red; other labels share the other hues. */
function hueOf(label: string): number {
  if (/prod|live/i.test(label)) return 0;
  let sum = 0;
  for (const letter of label) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 1_000_003;
  return 1 + (sum % (HUES - 1));
}
