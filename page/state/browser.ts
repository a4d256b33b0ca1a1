import { useEffect, useState, useCallback } from 'preact/hooks';
import { parseAddress, type Route } from '../words/address.js';
import type { Zone } from '../words/format.js';
import type { Tone } from '../words/labels.js';

export function navigate(to: string, replace = false): void {
  if (replace) location.replace(to);
  else location.hash = to;
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseAddress(location.hash));
  useEffect(() => {
    const moved = (): void => setRoute(parseAddress(location.hash));
    window.addEventListener('hashchange', moved);
    // Effects run after the first render: the address may have changed in between.
    moved();
    return () => window.removeEventListener('hashchange', moved);
  }, []);
  return route;
}

/** Session storage key of the token: it is kept until the tab is closed, for this origin, and never in an address. */
const KEY = 'soulcaster-backup.token';
/** Characters that a header can hold; a token with others is invalid. */
const TOKEN = /^[\x21-\x7e]+$/;

export function isPossibleToken(text: string): boolean {
  return TOKEN.test(text);
}

/** The token of this tab; null when there is none, or when the browser has no storage. */
export function loadToken(): string | null {
  try {
    const token = sessionStorage.getItem(KEY);
    return token !== null && isPossibleToken(token) ? token : null;
  } catch {
    return null;
  }
}

export function saveToken(token: string): void {
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // Without storage the token lasts until the page is reloaded.
  }
}

export function removeToken(): void {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // Without storage there is no token to remove.
  }
}

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

const ICONS: Readonly<Partial<Record<Tone, string>>> = {
  good: '/icon-good.svg',
  warn: '/icon-warn.svg',
  bad: '/icon-bad.svg',
};

/** Shows the overall state in the tab's icon. */
export function showIcon(tone: Tone): void {
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  const icon = ICONS[tone] ?? '/icon.svg';
  if (link !== null && link.getAttribute('href') !== icon) link.setAttribute('href', icon);
}
