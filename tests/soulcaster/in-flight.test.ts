import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { classifyKey } from '../../lib/soulcaster/keys.js';
import { isEphemeral, failInFlight } from '../../lib/soulcaster/in-flight.js';
import type { Fields } from '../../lib/soulcaster/text.js';

const hash = (status: string): Fields => [
  ['id', 'a'],
  ['status', status],
  ['logs', 'running'],
  [{ b: '/w==' }, { b: 'gP8=' }],
  ['__proto__', 'pending'],
];

describe('failInFlight', () => {
  it.each([
    ['job:j1', 'running'],
    ['job:j1', 'pending'],
    ['cluster_job:p1:j1', 'running'],
    ['cluster_job:p1:j1', 'pending'],
    ['cluster:p1:c1', 'fixing'],
    ['cluster:c1', 'fixing'],
  ])('ends %s in %s, and changes nothing else', (key, status) => {
    expect(failInFlight(classifyKey(key), hash(status))).toEqual(hash('failed'));
  });

  it.each([
    ['job:j1', 'succeeded'],
    ['job:j1', 'failed'],
    ['job:j1', 'fixing'],
    ['job:j1', 'Running'],
    ['job:j1:logs', 'running'],
    ['cluster_job:p1:j1', 'succeeded'],
    ['cluster:p1:c1', 'pr_opened'],
    ['cluster:p1:c1', 'running'],
    ['cluster:p1:c1:items', 'fixing'],
    ['feedback:p1:f1', 'pending'],
    ['project:p1', 'running'],
    ['somebody:else', 'running'],
  ])('leaves %s in %s alone', (key, status) => {
    expect(failInFlight(classifyKey(key), hash(status))).toBeNull();
  });

  it('changes only the status, whatever else is in the hash, and nothing when repeated', () => {
    const text = fc.oneof(fc.string(), fc.constantFrom('status', 'running'), fc.record({ b: fc.base64String() }));
    const key = classifyKey('job:j1');
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text)), (fields: Fields) => {
        const ended = failInFlight(key, fields) ?? fields;
        const expected = fields.map(([field, value]) =>
          field === 'status' && (value === 'running' || value === 'pending') ? [field, 'failed'] : [field, value],
        );
        expect(ended).toEqual(expected);
        expect(failInFlight(key, ended)).toBeNull();
      }),
    );
  });
});

describe('isEphemeral', () => {
  it('is true only for locks', () => {
    expect(isEphemeral(classifyKey('cluster:lock:p1'))).toBe(true);
    for (const key of ['cluster:lock', 'cluster:p1:lock', 'job:j1:logs', 'feedback:created:p1', 'other']) {
      expect(isEphemeral(classifyKey(key))).toBe(false);
    }
  });
});
