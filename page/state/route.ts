import { useEffect, useState } from 'preact/hooks';
import { readAddress, type Route } from '../words/address.js';

export function go(to: string, replace = false): void {
  if (replace) location.replace(to);
  else location.hash = to;
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => readAddress(location.hash));
  useEffect(() => {
    const moved = (): void => setRoute(readAddress(location.hash));
    window.addEventListener('hashchange', moved);
    // An effect begins after the first drawing: the address may have changed in between.
    moved();
    return () => window.removeEventListener('hashchange', moved);
  }, []);
  return route;
}
