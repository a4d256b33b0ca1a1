import { serverTime, useAppState } from '../state/app-state.js';
import { useNow } from '../state/now.js';
import { formatAge, formatInstant } from '../words/format.js';

/** An instant in the chosen time zone and, unless `plain`, its age by the server's clock. */
export function Time({ at, plain = false }: { readonly at: string; readonly plain?: boolean }) {
  const { status, zone } = useAppState();
  const now = useNow(5000);
  const then = Date.parse(at);
  if (Number.isNaN(then)) return <span>{at}</span>;
  const time = <time dateTime={at}>{formatInstant(at, zone)}</time>;
  if (plain) return time;
  const age = serverTime(status, now) - then;
  return (
    <>
      {time}{' '}
      <span class="meta nowrap">({age < -5000 ? `in ${formatAge(-age).replace(' ago', '')}` : formatAge(age)})</span>
    </>
  );
}
