import { serverTime, useDesk } from '../state/desk.js';
import { useNow } from '../state/now.js';
import { ago, instant } from '../words/format.js';

/** An instant of the server in the zone that was chosen and, unless `plain`, how long ago that was. */
export function Time({ at, plain = false }: { readonly at: string; readonly plain?: boolean }) {
  const { status, zone } = useDesk();
  const now = useNow(5000);
  const then = Date.parse(at);
  if (Number.isNaN(then)) return <span>{at}</span>;
  const time = <time dateTime={at}>{instant(at, zone)}</time>;
  if (plain) return time;
  const age = serverTime(status, now) - then;
  return (
    <>
      {time} <span class="meta nowrap">({age < -5000 ? `in ${ago(-age).replace(' ago', '')}` : ago(age)})</span>
    </>
  );
}
