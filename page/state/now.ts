import { useEffect, useState } from 'preact/hooks';

/** The time of this machine, in milliseconds since 1970, that moves on by itself. */
export function useNow(everyMs = 1000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
