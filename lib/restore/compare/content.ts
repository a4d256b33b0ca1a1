import { createHash } from 'node:crypto';
import {
  isDue,
  sameExpiry,
  toArgument,
  type ExpiryTime,
  type RecordLine,
  type RecordType,
  type StreamValue,
} from '../../snapshot/record.js';
import { fromText, type Text } from '../../soulcaster/text.js';
import { sameJson } from './canonical-json.js';
import { elementBag, type ElementBag } from './element-bag.js';
import { frame } from './frame.js';
import {
  allExpired,
  leavingDifference,
  withoutLeaving,
  type LeavingField,
  type LeavingFields,
} from './leaving-fields.js';
import { sameState, streamDigest, type StreamState } from './stream-digest.js';
import type { Difference } from './types.js';

/** The content of a key that two equal keys must share. */
export interface Content {
  readonly type: RecordType;
  /** Undefined when the key does not expire. */
  readonly expiry: ExpiryTime | undefined;
  /** Digest of the expiry of single fields, without those that expire soon. */
  readonly fields: string;
  /** Fields that expire before the horizon: they are not in `fields` and `value`. */
  readonly leaving: LeavingFields;
  /** Digest of the value; the text of a JSON document. */
  readonly value: string;
  /** A stream's state beside its entries; null for all other types. */
  readonly stream: StreamState | null;
  /**
   * Whether no elements remain but those that expire soon: Redis has no empty collections, so the key does not exist.
   */
  readonly empty: boolean;
}

export interface ContentBuilder {
  add(line: RecordLine): void;
  finish(): Content;
}

interface ValueDigest {
  add(line: RecordLine): void;
  finish(): Pick<Content, 'value' | 'stream' | 'empty'>;
}

/** How the expiry of single hash fields is compared. */
export interface FieldRule {
  readonly fieldExpiry: boolean;
  /** Fields that expire before this time (milliseconds since the epoch) are compared separately. */
  readonly horizon: number;
}

/** Builds the content of a record line by line, beginning with `first`, which has the expiry of the whole record. */
export function contentBuilder(first: RecordLine, { fieldExpiry, horizon }: FieldRule): ContentBuilder {
  const value = valueDigest(first.t);
  const fields = elementBag({ named: true });
  const leaving = new Map<bigint, LeavingField>();
  const add = (whole: RecordLine): void => {
    const line = fieldExpiry ? withoutLeaving(whole, horizon, leaving) : whole;
    value.add(line);
    if (!fieldExpiry) return;
    for (const [field, time] of line.fx ?? []) fields.add(fromText(field), Buffer.from(String(toArgument(time))));
  };
  add(first);
  return {
    add,
    finish: () => ({ type: first.t, expiry: first.x, fields: fields.digest(), leaving, ...value.finish() }),
  };
}

/** Whether the whole content has expired at `now`. */
export function isOver({ empty, leaving, expiry }: Content, now: number): boolean {
  return (expiry !== undefined && isDue(expiry, now)) || (empty && allExpired(leaving, now));
}

/** The first difference; null when both are equal, except for fields that have expired by `now`. */
export function differenceOf(wanted: Content, live: Content, now: number): Difference | null {
  if (wanted.type !== live.type) return 'type';
  if (!sameExpiry(wanted.expiry, live.expiry)) return 'expiry';
  if (wanted.fields !== live.fields) return 'field-expiry';
  return leavingDifference(wanted.leaving, live.leaving, now) ?? (sameValue(wanted, live) ? null : 'value');
}

function sameValue(wanted: Content, live: Content): boolean {
  if (wanted.value === live.value) return sameState(wanted.stream, live.stream);
  return wanted.type === 'json' && sameJson(wanted.value, live.value);
}

function valueDigest(type: RecordType): ValueDigest {
  switch (type) {
    case 'string':
      return stringDigest();
    case 'json':
      return jsonText();
    case 'list':
      return listDigest();
    case 'set':
      return bagDigest(elementBag({ named: false }), (bag, { v }) => {
        for (const member of v as readonly Text[]) bag.add(fromText(member));
      });
    case 'hash':
      return bagDigest(elementBag({ named: true }), (bag, { v }) => {
        for (const [field, value] of v as readonly (readonly [Text, Text])[]) bag.add(fromText(field), fromText(value));
      });
    case 'zset':
      return bagDigest(elementBag({ named: true }), (bag, { v }) => {
        for (const [member, score] of v as readonly (readonly [Text, string])[]) {
          bag.add(fromText(member), scoreBytes(score));
        }
      });
    case 'stream':
      return streamValueDigest();
  }
}

function stringDigest(): ValueDigest {
  const sum = createHash('sha256');
  return {
    // Pieces of a string may end anywhere, so they are concatenated, not framed.
    add: ({ v }) => void sum.update(fromText(v as Text)),
    finish: () => ({ value: sum.digest('hex'), stream: null, empty: false }),
  };
}

function jsonText(): ValueDigest {
  const pieces: Buffer[] = [];
  return {
    add: ({ v }) => void pieces.push(fromText(v as Text)),
    finish: () => ({ value: Buffer.concat(pieces).toString('utf8'), stream: null, empty: false }),
  };
}

function listDigest(): ValueDigest {
  const sum = createHash('sha256');
  let items = 0;
  return {
    add({ v }) {
      for (const item of v as readonly Text[]) {
        sum.update(frame([fromText(item)]));
        items += 1;
      }
    },
    finish: () => ({ value: sum.digest('hex'), stream: null, empty: items === 0 }),
  };
}

function bagDigest(bag: ElementBag, add: (bag: ElementBag, line: RecordLine) => void): ValueDigest {
  return {
    add: (line) => add(bag, line),
    finish: () => ({ value: bag.digest(), stream: null, empty: bag.isEmpty() }),
  };
}

function streamValueDigest(): ValueDigest {
  const digest = streamDigest();
  return {
    add: ({ v }) => digest.add(v as StreamValue),
    finish: () => ({ ...digest.finish(), empty: false }),
  };
}

/** A score as the eight bytes of its double: Redis versions print the same score differently. */
function scoreBytes(score: string): Buffer {
  const infinite = /^([+-]?)inf/i.exec(score);
  const value = infinite === null ? Number(score) : infinite[1] === '-' ? -Infinity : Infinity;
  const bytes = Buffer.allocUnsafe(8);
  // Redis treats -0 and 0 as equal; adding 0 turns -0 into 0.
  bytes.writeDoubleLE(value + 0);
  return bytes;
}
