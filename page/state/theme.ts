import { useEffect, useState } from 'preact/hooks';

type Theme = 'light' | 'dark';
const KEY = 'soulcaster-backup.theme';
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
    keepTheme(other);
  };
  return [theme, toggle];
}

function systemTheme(): Theme {
  return matchMedia(DARK).matches ? 'dark' : 'light';
}

function keptTheme(): Theme | null {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === 'light' || kept === 'dark' ? kept : null;
  } catch {
    return null;
  }
}

function keepTheme(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Then it lasts until the page is reloaded.
  }
}
