import { z } from 'zod';
import { number } from '../../variable-forms.js';

const count = (fallback: number) => number({ least: 0, most: 100_000 }).default(fallback);
const days = (fallback: number, least = 1) => number({ least, most: 36_500, decimals: true }).default(fallback);

/** How long what is stored is kept. */
export const retentionSection = z
  .object({
    RETENTION_KEEP_LAST: count(7),
    RETENTION_KEEP_WITHIN_DAYS: days(2, 0),
    RETENTION_KEEP_DAILY: count(14),
    RETENTION_KEEP_WEEKLY: count(8),
    RETENTION_KEEP_MONTHLY: count(12),
    RETENTION_ASIDE_DAYS: days(14),
    RETENTION_RUNS_DAYS: days(30),
  })
  .superRefine((value, context) => {
    const { RETENTION_KEEP_LAST: last, RETENTION_KEEP_WITHIN_DAYS: within } = value;
    const { RETENTION_KEEP_DAILY: daily, RETENTION_KEEP_WEEKLY: weekly, RETENTION_KEEP_MONTHLY: monthly } = value;
    if (last + within + daily + weekly + monthly > 0) return;
    const message = 'and all other RETENTION_KEEP_ variables are 0: that would keep nothing';
    context.addIssue({ code: 'custom', path: ['RETENTION_KEEP_LAST'], message });
  });
