import { z } from 'zod';
import { decodeJson } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import { isId } from '../runs/ids.js';
import { loadRun } from '../runs/records.js';
import { snapshotIds } from './catalog.js';
import type { Finding } from './check-part.js';
import { sha256 } from './manifest.js';
import { manifestName } from './names.js';

/** The result of a run that has written a manifest. */
const finishedRun = z.object({ manifestSha256: z.string() });

const linkSchema = z.object({ previous: z.object({ id: z.string(), sha256: z.string() }).nullable() });

const RUNS = 'runs/';

/**
 * Walks the chain over all snapshots, oldest first: each names the one before it and the hash of its manifest, so one
 * that was deleted or altered shows in the next that is left. Those after the last that is left show in the records of
 * the runs that took them.
 */
export async function checkChain(store: ObjectStore): Promise<Finding[]> {
  const findings: Finding[] = [];
  const hashes = new Map<string, string>();
  for (const id of await snapshotIds(store)) {
    const found = await store.read(manifestName(id));
    if (found === null) continue;
    hashes.set(id, sha256(found.body));
    const finding = checkLink(id, readLink(found.body), hashes);
    if (finding !== null) findings.push(finding);
  }
  const newest = [...hashes.keys()].at(-1) ?? '';
  return [...findings, ...(await missingAfter(store, newest))];
}

async function missingAfter(store: ObjectStore, newest: string): Promise<Finding[]> {
  const findings: Finding[] = [];
  for await (const id of store.folders(RUNS)) {
    if (id <= newest || !isId(id)) continue;
    const { kind, result } = (await loadRun(store, id)).record;
    if (kind !== 'snapshot' || result === null || !finishedRun.safeParse(result).success) continue;
    findings.push({
      code: 'snapshot-missing',
      subject: id,
      detail: 'its manifest is gone; the run that took it ended well',
    });
  }
  return findings;
}

function checkLink(id: string, link: Link | 'unreadable', hashes: ReadonlyMap<string, string>): Finding | null {
  if (link === 'unreadable') {
    return { code: 'manifest-altered', subject: manifestName(id), detail: 'it cannot be read' };
  }
  if (link === null) return null;
  const hash = hashes.get(link.id);
  if (hash === undefined) {
    return {
      code: 'snapshot-missing',
      subject: link.id,
      detail: `its manifest is gone; ${id} follows it in the chain`,
    };
  }
  if (hash === link.sha256) return null;
  const detail = `its SHA-256 is ${hash}; ${id} recorded ${link.sha256}`;
  return { code: 'manifest-altered', subject: manifestName(link.id), detail };
}

type Link = z.infer<typeof linkSchema>['previous'];

function readLink(body: Buffer): Link | 'unreadable' {
  try {
    return linkSchema.parse(decodeJson(body)).previous;
  } catch {
    return 'unreadable';
  }
}
