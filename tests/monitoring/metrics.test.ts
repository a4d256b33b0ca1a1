import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { renderMetrics } from '../../lib/monitoring/status/metrics.js';

const LINE = /^([a-z_]+)(?:\{(.*)\})? ((?:-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN))|[+-]Inf)$/;
const LABEL = /([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;

/** Reads labels back as a scraper does. */
function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const match = LABEL.exec(text);
    if (match === null) throw new Error(`no labels: ${text}`);
    const [, name = '', value = ''] = match;
    labels[name] = value.replace(/\\(["\\n])/g, (_, sign: string) => (sign === 'n' ? '\n' : sign));
  }
  return labels;
}

describe('the text of metrics', () => {
  it('preserves every label and value, whatever they contain', () => {
    const awkward = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom('\\', '"', '\n', 'n', '{', '}', ',', '=') }),
    );
    fc.assert(
      fc.property(
        fc.array(fc.record({ value: awkward, number: fc.double({ noNaN: true }) }), { minLength: 1 }),
        awkward,
        (all, help) => {
          const samples = all.map(({ value, number }) => ({ labels: { code: value, other: 'x' }, value: number }));
          const [helpLine, typeLine, ...lines] = renderMetrics([{ name: 'alert', help, samples }]).split('\n');
          expect(helpLine?.startsWith('# HELP soulcaster_backup_alert ')).toBe(true);
          expect(typeLine).toBe('# TYPE soulcaster_backup_alert gauge');
          expect(lines.pop()).toBe('');
          expect(lines).toHaveLength(all.length);
          for (const [index, line] of lines.entries()) {
            const [, name, labels = '', value] = LINE.exec(line) ?? [];
            expect(name).toBe('soulcaster_backup_alert');
            expect(labelsOf(labels)).toEqual({ code: all[index]?.value, other: 'x' });
            expect(Number(value?.replace('Inf', 'Infinity'))).toBe(Number(String(all[index]?.number)));
          }
        },
      ),
    );
  });

  it('leaves out unknown figures', () => {
    expect(renderMetrics([{ name: 'rto_met', help: 'Is it?', samples: [] }])).toBe('');
  });
});
