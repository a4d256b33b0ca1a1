import { useCallback, useEffect, useState } from 'preact/hooks';
import type { Zone } from '../words/format.js';

type Theme = 'light' | 'dark';
const THEME = 'soulcaster-backup.theme';
const ZONE = 'soulcaster-backup.zone';
const DARK = '(prefers-color-scheme: dark)';

/** The current theme and a function that toggles it. The system's theme applies until the operator chooses one. */
export function useTheme(): readonly [Theme, () => void] {
  const [chosen, setChosen] = useState(loadTheme);
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
    saveChoice(THEME, other);
  };
  return [theme, toggle];
}

function systemTheme(): Theme {
  return matchMedia(DARK).matches ? 'dark' : 'light';
}

function loadTheme(): Theme | null {
  const theme = loadChoice(THEME);
  return theme === 'light' || theme === 'dark' ? theme : null;
}

/** The time zone of displayed instants and a function that toggles it. The default is UTC, as in logs and ids. */
export function useZone(): readonly [Zone, () => void] {
  const [zone, setZone] = useState<Zone>(() => (loadChoice(ZONE) === 'local' ? 'local' : 'utc'));
  const toggle = useCallback(() => {
    setZone((before) => {
      const other = before === 'utc' ? 'local' : 'utc';
      saveChoice(ZONE, other);
      return other;
    });
  }, []);
  return [zone, toggle];
}

/** The stored value of a name; null when there is none, or when the browser has no storage. */
function loadChoice(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function saveChoice(name: string, choice: string): void {
  try {
    localStorage.setItem(name, choice);
  } catch {
    // Without storage the choice lasts until the page is reloaded.
  }
}
