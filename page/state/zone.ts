import { useCallback, useState } from 'preact/hooks';
import type { Zone } from '../words/format.js';

const KEY = 'soulcaster-backup.zone';

/** In which zone instants are told, and how to change it. UTC, as logs and ids have it, until somebody chooses. */
export function useZone(): readonly [Zone, () => void] {
  const [zone, setZone] = useState<Zone>(() => {
    try {
      return localStorage.getItem(KEY) === 'local' ? 'local' : 'utc';
    } catch {
      return 'utc';
    }
  });
  const toggle = useCallback(() => {
    setZone((before) => {
      const other = before === 'utc' ? 'local' : 'utc';
      try {
        localStorage.setItem(KEY, other);
      } catch {
        // Then it lasts until the page is loaded again.
      }
      return other;
    });
  }, []);
  return [zone, toggle];
}
