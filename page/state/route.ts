import { useEffect, useState } from 'preact/hooks';
import { parseAddress, type Route } from '../words/address.js';

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
