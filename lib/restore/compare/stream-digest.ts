import { createHash } from 'node:crypto';
import type { PendingEntry, StreamGroup, StreamValue } from '../../snapshot/record.js';
import { fromText, type Text } from '../../soulcaster/text.js';
import { frame } from './frame.js';
import { numbers } from './numbers.js';

/** A stream's state beside its entries, in a fixed order. */
export interface StreamState {
  /** The last id and the groups with everything that must be equal, as text. */
  readonly exact: string;
  /** When each pending entry was delivered, in milliseconds since the epoch, in the order of `exact`. */
  readonly deliveredAt: readonly number[];
}

interface StreamDigest {
  add(value: StreamValue): void;
  finish(): { readonly value: string; readonly stream: StreamState };
}

/**
 * XPENDING reports the time since a delivery, a request or more after the clock was read: the computed delivery time is
 * too early by the duration of these requests.
 */
const DELIVERY_TOLERANCE_MS = 60_000;

export function sameState(a: StreamState | null, b: StreamState | null): boolean {
  if (a === null || b === null) return a === b;
  if (a.exact !== b.exact) return false;
  return a.deliveredAt.every((time, at) => Math.abs(time - (b.deliveredAt[at] ?? 0)) <= DELIVERY_TOLERANCE_MS);
}

/** Entries in order go into a SHA-256; their ids are kept (16 bytes each), to find which pending entries still exist. */
export function streamDigest(): StreamDigest {
  const sum = createHash('sha256');
  const ids = entryIds();
  let lastId = '0-0';
  let groups: readonly StreamGroup[] = [];
  return {
    add(value) {
      for (const [id, fields] of value.entries) {
        sum.update(frame([Buffer.from(id), ...fields.map(fromText)]));
        ids.add(id);
      }
      lastId = value.lastId ?? lastId;
      groups = value.groups ?? groups;
    },
    finish: () => ({ value: sum.digest('hex'), stream: stateOf(lastId, groups, ids) }),
  };
}

function stateOf(lastId: string, groups: readonly StreamGroup[], ids: EntryIds): StreamState {
  const deliveredAt: number[] = [];
  const exact = [...groups]
    .sort((a, b) => fromText(a.name).compare(fromText(b.name)))
    .map((group) => {
      const pending = group.pending.filter(([id]) => ids.has(id)).sort(byId);
      deliveredAt.push(...pending.map(([, , time]) => time));
      return [
        hex(group.name),
        group.lastId,
        group.consumers.map(hex).sort(),
        pending.map(([id, consumer, , deliveries]) => [id, hex(consumer), deliveries]),
      ];
    });
  return { exact: JSON.stringify([lastId, exact]), deliveredAt };
}

function byId([a]: PendingEntry, [b]: PendingEntry): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function hex(text: Text): string {
  return fromText(text).toString('hex');
}

interface EntryIds {
  /** Ids must be added in ascending order, as a stream has them. */
  add(id: string): void;
  has(id: string): boolean;
}

function entryIds(): EntryIds {
  const times = numbers();
  const sequences = numbers();
  return {
    add(id) {
      const [time, sequence] = partsOf(id);
      times.push(time);
      sequences.push(sequence);
    },
    has(id) {
      const [time, sequence] = partsOf(id);
      const [allTimes, allSequences] = [times.values(), sequences.values()];
      let [from, to] = [0, allTimes.length];
      while (from < to) {
        const middle = (from + to) >>> 1;
        const before = (allTimes[middle] ?? 0n) - time || (allSequences[middle] ?? 0n) - sequence;
        if (before === 0n) return true;
        if (before < 0n) from = middle + 1;
        else to = middle;
      }
      return false;
    },
  };
}

function partsOf(id: string): [time: bigint, sequence: bigint] {
  const [time = '0', sequence = '0'] = id.split('-');
  return [BigInt(time), BigInt(sequence)];
}
