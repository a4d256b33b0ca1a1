import type { ListedSnapshot, Status } from '../api/types.js';
import { Sign, SIGNS } from '../parts/badge.js';
import { address } from '../words/address.js';
import { stripOf, type Day } from '../words/strip.js';

interface Props {
  readonly snapshots: readonly ListedSnapshot[];
  readonly drills: Status['drills'];
  readonly now: number;
}

/** A cell for each of the last days, with what was backed up and drilled on it. */
export function Strip({ snapshots, drills, now }: Props) {
  const days = stripOf(snapshots, drills, now);
  const missed = days.filter(({ state }) => state === 'missed').length;
  const verified = days.filter(({ state }) => state === 'verified').length;
  return (
    <>
      <ol class="strip" aria-label="Backups by day, oldest first">
        {days.map((day) => (
          <li key={day.date}>
            <Cell day={day} />
          </li>
        ))}
      </ol>
      <p class="meta">
        {verified} verified, {missed} missed. <Sign tone="good" /> verified <Sign tone="warn" /> doubtful or incomplete{' '}
        <Sign tone="bad" /> damaged or missed; <span aria-hidden="true">◆</span> a drill
      </p>
    </>
  );
}

function Cell({ day: { date, drill, snapshot, state, tone } }: { readonly day: Day }) {
  const drilled = drill === null ? '' : `, drill ${drill}`;
  const words = `${date}: ${state === 'none' ? 'no backup' : state}${drilled}`;
  const inside = (
    <>
      <span aria-hidden="true">{state === 'none' ? '·' : SIGNS[tone]}</span>
      <span class="drill" aria-hidden="true">
        {drill === null ? '' : '◆'}
      </span>
      <span class="hidden">{words}</span>
    </>
  );
  const kind = `day ${state === 'none' ? 'none' : tone}`;
  if (snapshot === null) {
    return (
      <span class={kind} title={words}>
        {inside}
      </span>
    );
  }
  return (
    <a class={kind} title={words} href={address(['snapshots', snapshot])}>
      {inside}
    </a>
  );
}
