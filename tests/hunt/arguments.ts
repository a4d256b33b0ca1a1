import type { RestoreRequest } from '../../lib/restore/start.js';
import type { Asked } from './claims-restore.js';
import { sourceOf } from './learn.js';
import type { QueuedWork } from './queue.js';
import type { Command } from './steps.js';
import { eligible, onDisk, type Known, type Place, type Whose, type World } from './world.js';

/** A step as a command line, and what the hunt knows of it. */
export interface Call {
  readonly args: readonly string[];
  readonly whose: Whose;
  readonly place: Place;
  readonly asked: Asked | null;
  readonly scope: Known['undoes'];
  /** The same for a queue; null where there is none for it. */
  readonly work: QueuedWork | null;
}

const ASIDE = { whose: 'main', place: 'store', asked: null, scope: 'all', work: null } as const;

/** Null where there is nothing that the step could be about. */
export function callOf(world: World, step: Command): Call | null {
  switch (step.run) {
    case 'backup':
      return { ...ASIDE, args: ['backup', '--local'], work: { backup: true } };
    case 'backup-other':
      return { ...ASIDE, args: ['backup', '--local'], whose: 'other' };
    case 'drill':
    case 'guard':
      return { ...ASIDE, args: [step.run, '--local'] };
    case 'replicate':
      return { ...ASIDE, args: ['replicate'] };
    case 'prune': {
      const place = step.replica === true ? 'replica' : 'store';
      return { ...ASIDE, place, args: ['prune', ...(step.replica === true ? ['--replica'] : [])] };
    }
    case 'verify': {
      const place = step.replica === true ? 'replica' : 'store';
      const id = step.of === 0 ? 'latest' : picked(world, step.of, place)?.id;
      const more = step.replica === true ? ['--replica'] : ['--local'];
      return id === undefined ? null : { ...ASIDE, place, args: ['verify', id, ...more] };
    }
    case 'accept': {
      const id = picked(world, step.of, 'store')?.id;
      return id === undefined ? null : { ...ASIDE, args: ['snapshots', 'accept', id, '--reason', 'the hunt says so'] };
    }
    case 'adopt': {
      const words = ['--reason', 'it moved', ...(step.withdraw ? ['--withdraw'] : [])];
      return { ...ASIDE, args: ['snapshots', 'adopt', sourceOf(world.other.url).slice(0, 8), ...words] };
    }
    case 'adopt-unsigned':
      return { ...ASIDE, args: ['snapshots', 'adopt', '--unsigned'] };
    case 'cancel':
      return world.lastRun === null ? null : { ...ASIDE, args: ['cancel', world.lastRun] };
    case 'unlock':
      return { ...ASIDE, args: ['unlock', 'database', '--yes'] };
    case 'undo': {
      const { lastUndo } = world;
      if (lastUndo === null) return null;
      const args = [...lastUndo.args, '--yes', '--local', '--no-reindex', '--no-settle'];
      return { ...ASIDE, args, whose: lastUndo.whose, scope: lastUndo.scope };
    }
    case 'restore':
    case 'dry-run':
      return restoreCall(world, step);
  }
}

/** Of the snapshots that have a manifest, the n-th from the end of them; 0 is the last. */
function picked(world: World, of: number, place: Place): Known | undefined {
  const sorted = [...world.known[place].values()]
    .filter(({ id }) => onDisk(world, id, place))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  return sorted[(of - 1 + sorted.length) % Math.max(1, sorted.length)];
}

function restoreCall(world: World, step: Extract<Command, { run: 'restore' | 'dry-run' }>): Call | null {
  const place = step.replica === true ? 'replica' : 'store';
  const chosen = step.of === 0 ? undefined : picked(world, step.of, place);
  if (step.of !== 0 && chosen === undefined) return null;
  const until = step.byTime === true && chosen !== undefined ? chosen.finishedAt : null;
  const known = until === null ? chosen : undefined;
  // To restore what a restore saved is to undo that restore, where it was and of what it was.
  const whose = step.target === true || (known?.safety === true && known.of === 'standby') ? 'standby' : 'main';
  const scope = step.scope === 'all' && known?.safety === true ? known.undoes : step.scope;
  const isForeign = known?.of === 'other' && whose === 'main';
  const allowIncomplete = known?.complete === false && step.mode !== 'replace';
  const dryRun = step.run === 'dry-run';
  const settle = !dryRun && step.settle;
  const safety = dryRun || step.safety;
  const args = [
    ...(until === null ? ['restore', known?.id ?? 'latest'] : ['restore', '--at', new Date(until).toISOString()]),
    ...['--mode', step.mode, '--ttl', step.ttl, '--local', '--no-reindex'],
    ...(step.scope === 'all' ? [] : ['--project', step.scope]),
    ...(dryRun ? ['--dry-run'] : ['--yes']),
    ...(safety ? [] : ['--no-safety']),
    ...(settle ? [] : ['--no-settle']),
    ...(allowIncomplete ? ['--allow-incomplete'] : []),
    ...(isForeign ? ['--from-source'] : []),
    ...(step.target === true ? ['--target', 'standby'] : []),
    ...(step.replica === true ? ['--replica'] : []),
  ];
  const request: RestoreRequest = {
    snapshot: known?.id ?? 'latest',
    at: until === null ? null : new Date(until).toISOString(),
    scope: step.scope === 'all' ? { all: true } : { project: step.scope },
    ...{ mode: step.mode, expiry: step.ttl, dryRun, safety, allowIncomplete, reindex: false },
    target: step.target === true ? 'standby' : null,
    settle: settle ? null : false,
    confirm: null,
    fromSource: isForeign,
    trigger: 'cli',
  };
  const meant = known ?? (step.of === 0 ? eligible(world, place).at(-1) : undefined) ?? null;
  const work = step.replica === true || dryRun ? null : { restore: request };
  const meantStep = { ...step, scope, ...('settle' in step && meant?.safety === true ? { settle: false } : {}) };
  return { args, whose, place, scope, asked: { step: meantStep, whose, until, known: meant }, work };
}
