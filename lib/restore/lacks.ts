import { z } from 'zod';
import { ledgerKeySchema } from '../snapshot/manifest.js';

/**
 * What a target can lack: `json`, JSON documents; `binary`, scripts, which write bytes that are not text, elements
 * larger than a page, and lists of more than one page; `field-expiry`, expiry of single hash fields; `expiry-range`, a
 * key's expiry as late as the record's; `field-expiry-range`, a field's.
 */
const LACKS = ['json', 'binary', 'field-expiry', 'expiry-range', 'field-expiry-range'] as const;
export type LackCode = (typeof LACKS)[number];

/** How many of the keys to write need the ability, and the first names. */
export const lackSchema = z.object({
  code: z.enum(LACKS),
  count: z.number(),
  names: z.array(ledgerKeySchema),
});
type Lack = z.infer<typeof lackSchema>;

const WORDS: Record<LackCode, { readonly what: string; readonly drops: boolean }> = {
  json: { what: 'JSON documents (JSON.SET)', drops: false },
  binary: {
    what: 'or allow scripts (EVAL), which write values that are not text or are too large for a request',
    drops: false,
  },
  'field-expiry': { what: 'hash fields that expire by themselves (HPEXPIREAT)', drops: true },
  'expiry-range': { what: 'an expiry as late as that of some keys (PEXPIREAT)', drops: true },
  'field-expiry-range': { what: 'an expiry as late as that of some hash fields (HPEXPIREAT)', drops: true },
};

/** Names the missing ability, how many keys need it and the first of them; `name` renders a key. */
export function lackWords({ code, count, names }: Lack, name: (key: Lack['names'][number]) => string): string {
  const first = names.slice(0, SHOWN).map(name).join(', ');
  const more = count > Math.min(SHOWN, names.length) ? ', ...' : '';
  return `${WORDS[code].what}, needed by ${count} ${count === 1 ? 'key' : 'keys'} (${first}${more})`;
}

const SHOWN = 3;

/** The hint for all of the lacks together. */
export function lackHint(lacks: readonly Lack[], isDrill: boolean): string {
  if (isDrill) return SCRATCH_HINT;
  const elsewhere = 'Restore to a server that has it: set RESTORE_TARGET_<NAME>_REST_URL and _TOKEN, and give --target';
  return lacks.every(({ code }) => WORDS[code].drops)
    ? `Use --ttl drop: then restored keys do not expire. Or: ${elsewhere}.`
    : `${elsewhere}.`;
}

/** A drill has no options: its scratch database must take whatever the protected one holds. */
export const SCRATCH_HINT =
  'Set DRILL_REDIS_REST_URL and DRILL_REDIS_REST_TOKEN to a database of the same kind and size as the protected one, and drill again.';
