import { serverTime, useDesk } from '../state/desk.js';
import { useNow } from '../state/now.js';
import { ago, instant } from '../words/format.js';

/** How long ago something of the server was, and the instant itself for whoever points at it. */
export function Age({ at }: { readonly at: string }) {
  const { status } = useDesk();
  const now = useNow(5000);
  const then = Date.parse(at);
  if (Number.isNaN(then)) return <span>{at}</span>;
  return (
    <time dateTime={at} title={instant(at)}>
      {ago(serverTime(status, now) - then)}
    </time>
  );
}
