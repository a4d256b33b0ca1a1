import { otherErasures } from '../app/app.js';
import { wantsReplica } from '../app/config.js';
import { connect } from '../app/connect.js';
import { deploymentOf, protectedDatabase } from '../app/connect/database.js';
import { retentionSettings } from '../app/settings.js';
import { addErasure, planErasure, type ErasurePlan, type Holder, type Subject } from '../erasure/plan.js';
import type { KeepReason } from '../erasure/owned-projects.js';
import { AppError } from '../errors.js';
import { parseReason } from '../snapshot/accept.js';
import { trustContext } from '../snapshot/trust.js';
import type { Context } from './context.js';
import { count, counted } from '../formats.js';
import { printable } from '../snapshot/ledger.js';
import { table } from './output/table.js';
import { userName } from './snapshots.js';
import { storeEnvironment } from '../app/connect/stores.js';
import { loadErasures, withdrawErasure, type Erasure, type OtherErasures } from '../snapshot/erasures.js';

export interface ForgetSubjectOptions {
  readonly reason?: string | undefined;
  readonly dryRun?: boolean | undefined;
  readonly replica?: boolean | undefined;
}

/** `forget-user`, `forget-project`: shows which snapshots hold the data and, with a reason, adds it to the erasure list. */
export async function forgetSubject(
  context: Context,
  subject: Subject,
  { dryRun, reason, replica }: ForgetSubjectOptions,
): Promise<number> {
  const givenReason = parseReasonOption(subject, { dryRun, reason, replica });
  const env = storeEnvironment(context.env, replica);
  const ports = {
    ...connect(env, ['clock', 'encryptor', 'signer', 'store'], { log: context.log }),
    otherErasures: otherList(context, replica),
  };
  const trust = await trustContext(ports, protectedDatabase(env).source);
  const plan = await planErasure(ports, trust, retentionSettings(env), subject);
  const entry = givenReason === null ? null : await addErasure(ports, plan, { by: userName(), reason: givenReason });
  context.document({ ...plan, entry, deployment: deploymentOf(env) });
  context.print([planView(plan), closingText(plan, entry !== null)].join('\n\n'));
  for (const { id, why } of plan.skipped) context.note(`warning: snapshot ${id} was not searched: ${printable(why)}`);
  if (replica !== true && wantsReplica(context.env)) {
    context.note('note: the second store has copies too: repeat the command with --dry-run --replica to see them.');
  }
  return plan.skipped.length > 0 ? 3 : 0;
}

/** The reason; null for a dry run. Throws `usage` for an invalid id and for options that do not fit together. */
function parseReasonOption({ id, kind }: Subject, { dryRun, reason, replica }: ForgetSubjectOptions): string | null {
  if (id.trim() === '' || id.length > 512) {
    throw new AppError('usage', `${JSON.stringify(id.slice(0, 64))} is not the id of a ${kind}`, {
      hint: `Give the whole id of the ${kind}.`,
    });
  }
  if (dryRun === true) return null;
  if (replica === true) {
    throw new AppError('usage', '--replica can only be used with --dry-run', {
      hint: 'The erasure list is kept in the first store. To copy it to the second: `npx soulcaster-backup replicate --env-file .env`.',
    });
  }
  if (reason !== undefined) return parseReason(reason);
  throw new AppError('usage', 'Neither --reason nor --dry-run is given', {
    hint: `See what it would do: \`npx soulcaster-backup forget-${kind} ID --dry-run --env-file .env\`; then give --reason TEXT.`,
  });
}

const STAY_REASONS: Readonly<Record<KeepReason, string>> = {
  'another-owner': 'its record names another user',
  'in-another-list': "another user's list has it too",
  'no-record': 'no snapshot has a record that names its owner',
};

function planView(plan: ErasurePlan): string {
  const { holders, id, kind, others, projects, searched } = plan;
  const name = printable(id);
  const own =
    projects.length === 0
      ? 'no project'
      : `${counted(projects.length, 'project')}: ${projects.map(printable).join(', ')}`;
  const what =
    kind === 'user'
      ? `User ${name}: the user's record, list of projects, and all data of ${own}.`
      : `Project ${name}: all its data, and its place in the lists of users.`;
  const stays = others.map(({ project, why }) => `  ${printable(project)}: ${STAY_REASONS[why]}`);
  return [
    what,
    ...(stays.length === 0
      ? []
      : [
          [
            "Projects that are not this user's alone stay. To erase one: `npx soulcaster-backup forget-project ID --reason TEXT --env-file .env`.",
            ...stays,
          ].join('\n'),
        ]),
    holders.length === 0
      ? `None of ${counted(searched, 'snapshot')} holds these data.`
      : `${count(holders.length)} of ${counted(searched, 'snapshot')} still hold${holders.length === 1 ? 's' : ''} these data:\n\n${holdersTable(holders)}`,
  ].join('\n\n');
}

function holdersTable(holders: readonly Holder[]): string {
  const rows = holders.map(({ goesAt, id, keys, kept, state, takenAt }) => [
    id,
    takenAt.slice(0, 10),
    state,
    count(keys),
    goesAt === null ? 'no date' : goesAt.slice(0, 10),
    kept.join(', '),
  ]);
  return table(['snapshot', 'taken', 'trust', 'keys', 'kept until', 'because'], rows, [3]);
}

function closingText({ held, holders, kind }: ErasurePlan, isEntered: boolean): string {
  const pinned = holders.filter((holder) => holder.pinned).length;
  const dates =
    held === null
      ? 'The dates assume one snapshot a day and the retention set here.'
      : `No snapshot has a date, because a prune removes nothing now: ${held}.`;
  return [
    isEntered
      ? `The ${kind} is on the erasure list: every restore, undo and drill leaves the data out and says so. Nothing was deleted.`
      : `Nothing was changed. With --reason TEXT the ${kind} is added to the erasure list: every restore then leaves the data out.`,
    `${dates} To remove a snapshot now: \`npx soulcaster-backup snapshots forget ID --reason TEXT --env-file .env\`.`,
    ...(pinned === 0
      ? []
      : [
          `Pinned: ${counted(pinned, 'snapshot')} of these, which prune does not remove (\`npx soulcaster-backup snapshots unpin ID --env-file .env\`).`,
        ]),
    'The application deletes from the database, the index and Postgres; docs/operations.md, "Erasure", lists what it leaves.',
  ].join('\n');
}

/** `erasures list`. */
export async function listErasures(context: Context): Promise<number> {
  const ports = connect(context.env, ['encryptor', 'store'], { log: context.log });
  const erasures = await loadErasures(ports, otherList(context));
  context.document({ erasures, deployment: deploymentOf(context.env) });
  context.print(
    erasures.length === 0 ? 'The erasure list is empty: restores leave nothing out.' : erasuresTable(erasures),
  );
  return 0;
}

/** The list of the second store or, with `replica`, of the first. */
function otherList(context: Context, replica = false): OtherErasures {
  return otherErasures(context.env, context.log, replica, (why) =>
    context.note(
      `warning: the erasure list of the ${replica ? 'first' : 'second'} store was not read: ${printable(why)}`,
    ),
  );
}

function erasuresTable(erasures: readonly Erasure[]): string {
  const rows = erasures.map(({ at, by, id, kind, projects, reason, withdrawn }) => [
    kind,
    printable(id),
    kind === 'user' ? counted(projects.length, 'project') : '',
    at.slice(0, 10),
    printable(by),
    printable(reason),
    withdrawn === null ? 'left out' : `withdrawn ${withdrawn.at.slice(0, 10)}: ${printable(withdrawn.reason)}`,
  ]);
  return table(['kind', 'id', 'with', 'since', 'by', 'reason', 'state'], rows);
}

/** `erasures withdraw`: restores include the data again. Throws `not-found`. */
export async function withdrawEntry(
  context: Context,
  subject: Subject,
  { reason }: { readonly reason: string },
): Promise<number> {
  const ports = connect(context.env, ['clock', 'encryptor', 'store'], { log: context.log });
  const withdrawal = { reason: parseReason(reason), at: new Date(ports.clock.now()).toISOString(), by: userName() };
  const entry = await withdrawErasure(ports, subject, withdrawal, otherList(context));
  if (entry === null) {
    throw new AppError(
      'not-found',
      `There is no active entry for ${subject.kind} ${JSON.stringify(subject.id.slice(0, 64))}`,
      {
        hint: 'See `npx soulcaster-backup erasures list --env-file .env`.',
      },
    );
  }
  context.document({ entry, deployment: deploymentOf(context.env) });
  context.print(`Withdrawn: restores include the data of ${subject.kind} ${printable(subject.id)} again.`);
  return 0;
}
