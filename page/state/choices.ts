import { useCallback, useEffect, useState } from 'preact/hooks';
import type { Zone } from '../words/format.js';

type Theme = 'light' | 'dark';
const THEME = 'soulcaster-backup.theme';
const ZONE = 'soulcaster-backup.zone';
const DARK = '(prefers-color-scheme: dark)';

/** The theme that shows, and how to change it. Without a choice of one's own it follows the system. */
export function useTheme(): readonly [Theme, () => void] {
  const [chosen, setChosen] = useState(keptTheme);
  const [system, setSystem] = useState(systemTheme);
  useEffect(() => {
    const query = matchMedia(DARK);
    const changed = (): void => setSystem(systemTheme());
    query.addEventListener('change', changed);
    return () => query.removeEventListener('change', changed);
  }, []);
  const theme = chosen ?? system;
  useEffect(() => {
    document.documentElement.dataset['theme'] = theme;
  }, [theme]);
  const toggle = (): void => {
    const other = theme === 'dark' ? 'light' : 'dark';
    setChosen(other);
    keep(THEME, other);
  };
  return [theme, toggle];
}

function systemTheme(): Theme {
  return matchMedia(DARK).matches ? 'dark' : 'light';
}

function keptTheme(): Theme | null {
  const theme = kept(THEME);
  return theme === 'light' || theme === 'dark' ? theme : null;
}

/** In which zone instants are told, and how to change it. UTC, as logs and ids have it, until somebody chooses. */
export function useZone(): readonly [Zone, () => void] {
  const [zone, setZone] = useState<Zone>(() => (kept(ZONE) === 'local' ? 'local' : 'utc'));
  const toggle = useCallback(() => {
    setZone((before) => {
      const other = before === 'utc' ? 'local' : 'utc';
      keep(ZONE, other);
      return other;
    });
  }, []);
  return [zone, toggle];
}

/** What this browser keeps under a name; null where that is nothing, or the browser keeps nothing. */
function kept(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function keep(name: string, choice: string): void {
  try {
    localStorage.setItem(name, choice);
  } catch {
    // Then it lasts until the page is reloaded.
  }
}
