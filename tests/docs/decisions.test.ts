import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const TEXT = readFileSync(join(import.meta.dirname, '../../docs/decisions.md'), 'utf8');
const SUBJECTS = TEXT.split('\n## ').slice(1);

describe('docs/decisions.md', () => {
  it('names each subject in its index', () => {
    const index = [...TEXT.matchAll(/^- \[(.+)\]\(#/gm)].map(([, name]) => name);
    expect(SUBJECTS.map((subject) => subject.split('\n')[0])).toEqual(index);
  });

  it('has dated records of context, decision and consequence alone', () => {
    const records = SUBJECTS.flatMap((subject) => subject.split('\n### ').slice(1));
    expect(records.length).toBeGreaterThan(50);
    const form =
      /^[^\n]+\n\n_\d{4}-\d\d(?:-\d\d)?_ \*\*Context\.\*\*\s[^]+\*\*Decision\.\*\*\s[^]+\*\*Consequence\.\*\*\s[^]+$/;
    const others = records.filter((record) => !form.test(record) || record.trim().split('\n\n').length > 2);
    expect(others).toEqual([]);
  });
});
