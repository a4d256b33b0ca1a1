import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import {
  breaksList,
  isReadableCluster,
  isReadableItem,
  SOURCES,
  type ClusterFields,
  type ItemFields,
} from '../../lib/soulcaster/invariants/readable.js';

const item: ItemFields = {
  id: '0b7e7d52-9a53-4a0e-8f4e-5d0a1f6c2b11',
  project_id: 'p1',
  source: 'github',
  title: '',
  created_at: '2026-01-02T03:04:05.678901+00:00',
  external_id: null,
  repo: null,
  github_issue_number: '12',
  status: 'open',
  hasBody: true,
};

const cluster: ClusterFields = {
  id: 'c1',
  project_id: 'p1',
  title: '',
  summary: '',
  status: 'new',
  created_at: '2026-01-02T03:04:05+00:00',
  updated_at: '2026-01-02T03:04:05+00:00',
};

describe('isReadableItem', () => {
  it('accepts every known source, and empty texts', () => {
    for (const source of SOURCES) expect(isReadableItem({ ...item, source })).toBe(true);
    expect(isReadableItem({ ...item, github_issue_number: null, status: null })).toBe(true);
  });

  it.each<Partial<ItemFields>>([
    { id: null },
    { id: 'f1' },
    { project_id: null },
    { source: null },
    { source: 'app-store' },
    { source: 'Reddit' },
    { title: null },
    { hasBody: false },
    { created_at: null },
    { created_at: '' },
    { created_at: '2026-02-30T00:00:00+00:00' },
    { created_at: '1767322800' },
    { created_at: '2026-01-02T25:00:00+00:00' },
    { github_issue_number: 'twelve' },
    { github_issue_number: '1.5' },
    { status: 'merged' },
  ])('refuses %j', (wrong) => {
    expect(isReadableItem({ ...item, ...wrong })).toBe(false);
  });

  it('accepts every date in the format of the application', () => {
    const date = fc.date({ min: new Date('1970-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });
    fc.assert(
      fc.property(date, fc.nat(999), fc.constantFrom('+00:00', '-08:00', 'Z', ''), (time, micros, zone) => {
        const text = `${time.toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}${zone}`;
        expect(isReadableItem({ ...item, created_at: text })).toBe(true);
        expect(isReadableItem({ ...item, created_at: `${text.slice(0, 19)}${zone}` })).toBe(true);
        expect(isReadableItem({ ...item, created_at: text.slice(0, 10) })).toBe(true);
        expect(isReadableItem({ ...item, created_at: `${text}x` })).toBe(false);
      }),
    );
  });
});

describe('clusters', () => {
  it.each(Object.keys(cluster))('are left out without their %s', (field) => {
    expect(isReadableCluster(cluster)).toBe(true);
    expect(isReadableCluster({ ...cluster, [field]: null })).toBe(false);
    expect(breaksList({ ...cluster, [field]: null })).toBe(false);
  });

  it.each(['created_at', 'updated_at'])('break the list if %s is not a date', (field) => {
    expect(breaksList(cluster)).toBe(false);
    expect(breaksList({ ...cluster, [field]: 'soon' })).toBe(true);
    expect(isReadableCluster({ ...cluster, [field]: 'soon' })).toBe(false);
  });
});
