import { connect } from '../../app/connect.js';
import { protectedDatabase } from '../../app/connect/database.js';
import { AppError, toAppError } from '../../errors.js';
import { heldIn, openSnapshot, stoppableStore, type InspectPorts, type OpenSnapshot } from '../../inspect/open.js';
import { parseSelection, type Selection } from '../../soulcaster/selection.js';
import type { Context } from '../context.js';
import { printable } from '../output/format.js';
import { storeEnvironment } from '../store-choice.js';
import { notePassedOver } from '../trust.js';

/** Options of every command that reads the contents of snapshots. */
export interface InspectOptions {
  readonly at?: string | undefined;
  readonly project?: readonly string[];
  readonly family?: readonly string[];
  readonly match?: readonly string[];
  readonly key?: readonly string[];
  readonly replica?: boolean | undefined;
}

export function inspectPorts(context: Context, replica: boolean | undefined): InspectPorts {
  const env = storeEnvironment(context.env, replica);
  const ports = connect(env, ['clock', 'encryptor', 'signer', 'store'], { log: context.log });
  const { interrupt } = context;
  return { ...ports, store: stoppableStore(ports.store, interrupt, () => toAppError(interrupt.reason)) };
}

/** Opens the wanted snapshot; warnings about it go to the standard error. */
export async function openWanted(context: Context, wanted: string, options: InspectOptions): Promise<OpenSnapshot> {
  if (options.at !== undefined && wanted !== 'latest') {
    throw new AppError('usage', 'Both a snapshot and --at are given', {
      hint: 'Name the snapshot by its id, or give `latest` and the time with --at.',
    });
  }
  const { source } = protectedDatabase(context.env);
  const ports = inspectPorts(context, options.replica);
  const { foundDamaged, passedOver, snapshot } = await openSnapshot(ports, source, wanted, options.at ?? null);
  const { id, keyIndex } = snapshot.manifest;
  notePassedOver(context, id, passedOver);
  if (foundDamaged) {
    context.note(`warning: snapshot ${id} was found damaged when it was last verified; its altered parts are not read`);
  }
  const held = await heldIn(snapshot);
  if (held !== null) context.note(`note: ${id} holds a part of a database: ${printable(held.words)}`);
  if (keyIndex === undefined && context.env['DEBUG'] === '1') context.note(`note: ${id} has no index of its keys`);
  return snapshot;
}

export function selectionOf({ family, key, match, project }: InspectOptions): Selection {
  return parseSelection({ family, key, match, project });
}
