import type { Drill } from '../api/types.js';
import { Age } from '../parts/age.js';
import { Badge } from '../parts/badge.js';
import { Table } from '../parts/table.js';
import { count, duration, known } from '../words/format.js';
import type { Tone } from '../words/tone.js';

const TONES: Readonly<Record<Drill['outcome'], Tone>> = {
  started: 'busy',
  passed: 'good',
  failed: 'bad',
  inconclusive: 'warn',
};

/** The restore drills, newest first. */
export function Drills({ drills }: { readonly drills: readonly Drill[] }) {
  if (drills.length === 0) return <p class="empty">No drill yet. A backup is proven when it was restored.</p>;
  return (
    <Table
      caption="Restore drills, newest first"
      columns={['Outcome', 'When', '#Keys', '#Took']}
      rows={drills.map((drill) => ({
        key: drill.id,
        cells: [
          <>
            <Badge tone={TONES[drill.outcome]}>{drill.outcome}</Badge>
            {drill.reason !== null && <p class="hint">{drill.reason}</p>}
          </>,
          <span class="nowrap">
            <Age at={drill.finishedAt ?? drill.startedAt} />
          </span>,
          count(drill.keys),
          known(drill.milliseconds, duration),
        ],
      }))}
    />
  );
}
