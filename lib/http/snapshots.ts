import { environment } from '../config.js';
import { connectTrust } from '../connect/database.js';
import { AppError } from '../errors.js';
import { timeOfId } from '../runs/ids.js';
import { newestEntries, type CatalogEntry } from '../snapshot/catalog.js';
import { sizesOf } from '../snapshot/sizes.js';
import { plainLabel, shortSource } from '../snapshot/source.js';
import { assess, type TrustContext } from '../snapshot/trust.js';
import type { Verification } from '../snapshot/verification.js';
import type { ViewPorts } from './entry.js';
import { json } from './problem.js';

const DEFAULT_LIMIT = 50;
const MOST = 500;

/** GET /api/snapshots: the snapshots there are, newest first. */
export async function showSnapshots(ports: ViewPorts, request: Request): Promise<Response> {
  const trust = await connectTrust(environment(), ports);
  const { entries, more } = await newestEntries(ports.store, limitOf(request));
  return json(200, { snapshots: entries.map((entry) => describe(entry, trust)), more });
}

function limitOf(request: Request): number {
  const [text = String(DEFAULT_LIMIT), ...more] = new URL(request.url).searchParams.getAll('limit');
  const limit = /^[1-9]\d{0,2}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= MOST && more.length === 0) return limit;
  throw new AppError('invalid', 'The number of snapshots to list is none that is allowed', {
    hint: `Give limit as a whole number from 1 to ${MOST}, or leave it out for ${DEFAULT_LIMIT}.`,
  });
}

/** What only the manifest knows is null where that cannot be read. */
function describe(entry: CatalogEntry, trust: TrustContext): object {
  const { id, manifest, verification } = entry;
  const { reasons, state } = assess(entry, trust);
  const sizes = manifest === null ? null : sizesOf(manifest);
  return {
    id,
    state: manifest?.state ?? 'unreadable',
    purpose: manifest === null ? null : (manifest.purpose ?? 'backup'),
    trust: state,
    reasons,
    source: manifest === null ? null : shortSource(manifest.source),
    label: plainLabel(manifest?.label),
    own: manifest === null || trust.sources === null ? null : trust.sources.has(manifest.source),
    verification: verification === null ? null : lookOf(verification),
    keys: manifest?.counts.keys ?? null,
    parts: manifest?.parts.length ?? null,
    plainBytes: sizes?.plain ?? null,
    storedBytes: sizes?.stored ?? null,
    failed: manifest?.ledger.failed.count ?? null,
    unsupported: manifest?.ledger.unsupported.count ?? null,
    unexplained: manifest === null ? null : (manifest.names?.unexplained ?? 0),
    encrypted: manifest === null ? null : manifest.recipients.length > 0,
    createdAt: manifest?.createdAt ?? new Date(timeOfId(id)).toISOString(),
    window: manifest?.window ?? null,
    readBackAt: manifest?.readBackAt ?? null,
  };
}

function lookOf({ state, at, depth }: Verification): object {
  return { state, at, depth };
}
