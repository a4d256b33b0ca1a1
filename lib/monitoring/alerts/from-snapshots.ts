import { refusedTypes } from '../../snapshot/ledger.js';
import { isFromFuture } from '../../snapshot/order.js';
import { isFoundDamaged } from '../../snapshot/trust.js';
import { newestBackup, ownEntries, type Facts } from '../facts.js';
import type { AlertSource, Condition } from './condition.js';

type Code = 'snapshot-damaged' | 'clock-suspicious' | 'keys-unsupported';

export const SNAPSHOT_ALERTS: AlertSource<Code> = {
  codes: { 'snapshot-damaged': 'facts', 'clock-suspicious': 'facts', 'keys-unsupported': 'facts' },
  oneEvent: ['snapshot-damaged'],
  find: (facts, { skipTypes }) => [...snapshotConditions(facts), ...unsupportedKeys(facts, skipTypes)],
};

function snapshotConditions(facts: Facts): Condition<Code>[] {
  const entries = ownEntries(facts);
  const damaged = entries.filter(isFoundDamaged);
  const ahead = entries.filter((entry) => isFromFuture(entry, facts.now));
  return [
    ...damaged.map(({ id, missingParts }) => ({
      code: 'snapshot-damaged' as const,
      subject: id,
      message:
        missingParts > 0
          ? `Snapshot ${id} lacks ${missingParts} of its parts: they are missing from the store, or have another size there.`
          : `Snapshot ${id} was found damaged when it was last verified.`,
      hint: 'Do not rely on it. Take a snapshot now: `npx soulcaster-backup backup --env-file .env`. Find out who writes to the bucket, and restore older versions of its objects.',
    })),
    ...ahead.slice(0, 1).map(({ id }) => ({
      code: 'clock-suspicious' as const,
      subject: 'clock',
      message: `Snapshot ${id}${ahead.length > 1 ? ` and ${ahead.length - 1} more` : ''} is dated in the future by the clock here.`,
      hint: 'It does not count for the objective. Check the clocks with `npx soulcaster-backup doctor --env-file .env`; forged dates look the same.',
    })),
  ];
}

function unsupportedKeys(facts: Facts, skipTypes: readonly string[]): Condition<Code>[] {
  const manifest = newestBackup(facts);
  const types = manifest === null ? [] : refusedTypes(manifest.ledger, skipTypes);
  if (manifest === null || types.length === 0) return [];
  const { id, ledger } = manifest;
  const keys = ledger.unsupported.count;
  return [
    {
      code: 'keys-unsupported',
      subject: 'database',
      message: `${keys} ${keys === 1 ? 'key is' : 'keys are'} not in snapshot ${id}: no snapshot can hold the type ${types.join(', ')}.`,
      hint: `\`npx soulcaster-backup show ${id} --env-file .env\` names them. Save them by other means, or set BACKUP_SKIP_TYPES=${types.join(',')} if you can do without them.`,
    },
  ];
}
