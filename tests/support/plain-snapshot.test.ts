import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { dumpFromText, differences } from './plain-dump.js';
import { readPlainSnapshot } from './plain-snapshot.js';

const HOME = join(import.meta.dirname, '../fixtures/snapshots-2026-11-24');
const { ageIdentity } = JSON.parse(readFileSync(join(HOME, 'keys.json'), 'utf8')) as { ageIdentity: string };

describe('reading a snapshot by its format alone', () => {
  it.each(['plain', 'encrypted'])('gives what the server held when it was taken: %s', async (kind) => {
    for (const file of readdirSync(join(HOME, kind, 'expected'))) {
      const expected = dumpFromText(readFileSync(join(HOME, kind, 'expected', file), 'utf8'));
      const held = await readPlainSnapshot(join(HOME, kind, 'store'), file.replace('.json', ''), ageIdentity);
      // The server kept JSON documents as strings.
      for (const [key, entry] of held) if (entry.type === 'json') held.set(key, { ...entry, type: 'string' });
      expect(differences(expected, held)).toEqual([]);
      expect(held.size).toBeGreaterThan(90);
    }
  });
});
