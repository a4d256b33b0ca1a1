import type { StoredRecord } from './namespace.js';

/** A refused request; `message` is returned as the `error` of the answer. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Most vectors that one request reads or writes (upstash.com/docs/devops/developer-api/vector/get_index). */
export const MOST_PER_REQUEST = 1_000;
/** upstash.com/docs/vector/help/faq; counting UTF-8 bytes of JSON, and the status, are our guess. */
const MOST_METADATA_BYTES = 48 * 1024;

export type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new Refusal(400, 'Invalid request: expected a JSON object');
}

/** One object or a list, as `upsert` and `query` accept. */
export function listOf(body: unknown): Fields[] {
  const list = Array.isArray(body) ? body.map(fieldsOf) : [fieldsOf(body)];
  if (list.length > MOST_PER_REQUEST) throw new Refusal(400, `Too many items in a request: ${list.length}`);
  return list;
}

/** The `ids` of a request; undefined when there are none. Numbers are converted to text. */
export function idsOf({ ids }: Fields): string[] | undefined {
  if (ids === undefined) return undefined;
  if (!Array.isArray(ids)) throw new Refusal(400, 'Invalid request: ids must be a list');
  if (ids.length > MOST_PER_REQUEST) throw new Refusal(400, `Too many ids in a request: ${ids.length}`);
  return ids.map(toId);
}

export function recordOf(item: Fields, dimensions: number): StoredRecord {
  const { metadata, data } = item;
  if (metadata !== undefined && Buffer.byteLength(JSON.stringify(fieldsOf(metadata))) > MOST_METADATA_BYTES) {
    throw new Refusal(422, `Metadata of a vector is over the limit of ${MOST_METADATA_BYTES} bytes`);
  }
  if (data !== undefined && typeof data !== 'string') throw new Refusal(400, 'Invalid request: data must be text');
  return {
    id: toId(item['id']),
    vector: vectorOf(item, dimensions),
    ...(metadata === undefined ? {} : { metadata: fieldsOf(metadata) }),
    ...(data === undefined ? {} : { data }),
  };
}

export function vectorOf({ vector }: Fields, dimensions: number): Float32Array {
  if (!isNumbers(vector)) throw new Refusal(400, 'Invalid request: vector must be a list of numbers');
  if (vector.length !== dimensions) {
    throw new Refusal(422, `Invalid vector dimension: ${vector.length}, expected: ${dimensions}`);
  }
  return new Float32Array(vector);
}

/** Numbers in JSON are finite. A loop is several times faster than `every` with a function. */
function isNumbers(value: unknown): value is number[] {
  if (!Array.isArray(value)) return false;
  for (const component of value as unknown[]) if (typeof component !== 'number') return false;
  return true;
}

/** A whole number of 1 to 1,000, as `limit` and `topK` are. */
export function countOf(value: unknown, name: string): number {
  if (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MOST_PER_REQUEST) return Number(value);
  throw new Refusal(400, `Invalid request: ${name} must be between 1 and ${MOST_PER_REQUEST}`);
}

/** Parses a cursor of a range; "0" and the empty text start from the beginning. */
export function cursorOf(value: unknown): number {
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '?';
  if (/^\d*$/.test(text)) return Number(text);
  throw new Refusal(400, 'Invalid request: cursor is not one of a range');
}

export function textOf(value: unknown, name: string): string {
  if (value === undefined) return '';
  if (typeof value === 'string') return value;
  throw new Refusal(400, `Invalid request: ${name} must be text`);
}

function toId(value: unknown): string {
  const id = typeof value === 'number' ? String(value) : value;
  if (typeof id === 'string' && id !== '') return id;
  throw new Refusal(400, 'Invalid request: an id must be text that is not empty');
}
