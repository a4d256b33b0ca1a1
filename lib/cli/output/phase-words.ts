/** What a restore is doing, by the name of its phase. */
export const RESTORE: Readonly<Record<string, string>> = {
  open: 'opening the snapshot',
  check: 'checking the snapshot',
  survey: 'checking the snapshot',
  plan: 'comparing with what is there',
  live: 'looking for what is newer',
  weigh: 'making the plan',
  conclude: 'finishing',
  condemn: 'finishing',
  'safety-scan': 'saving what is there',
  'safety-check': 'checking what was saved',
  'safety-seal': 'sealing what was saved',
  fence: 'locking the projects',
  write: 'writing',
  remove: 'removing what is newer',
  prove: 'proving every key',
  extras: 'looking for what is left over',
  inspect: 'checking the projects',
  report: 'finishing',
};

/** What a re-index is doing. */
export const REINDEX: Readonly<Record<string, string>> = {
  preflight: 'seeing that all is there',
  scan: 'finding the items',
  plan: 'making the plan',
  flush: 'clearing the index',
  embed: 'embedding',
  rescan: 'looking for new items',
  look: 'looking for new items',
  late: 'embedding new items',
  settling: 'looking at every vector',
  settle: 'looking at every vector',
  sweep: 'removing vectors without an item',
  audit: 'proving',
  prove: 'proving',
  report: 'finishing',
};
