import { secondErasures } from '../app/app.js';
import { connect } from '../app/connect.js';
import { deploymentOf, protectedDatabase } from '../app/connect/database.js';
import { retentionSettings } from '../app/settings.js';
import { addErasure, planErasure, type ErasurePlan, type Holder, type Subject } from '../erasure/plan.js';
import type { KeepReason } from '../erasure/owned-projects.js';
import { AppError } from '../errors.js';
import { parseReason } from '../snapshot/accept.js';
import { trustContext } from '../snapshot/trust.js';
import type { Context } from './context.js';
import { count, counted, printable } from './output/format.js';
import { table } from './output/table.js';
import { userName } from './snapshots.js';
import { storeEnvironment } from './store-choice.js';
import { loadErasures, withdrawErasure, type Erasure, type OtherErasures } from '../snapshot/erasures.js';

export interface ForgetSubjectOptions {
  readonly reason?: string | undefined;
  readonly dryRun?: boolean | undefined;
  readonly replica?: boolean | undefined;
}

/** `forget-user`, `forget-project`: shows which snapshots hold the data, and puts it on the erasure list. */
export async function forgetSubject(
  context: Context,
  subject: Subject,
  { dryRun, reason, replica }: ForgetSubjectOptions,
): Promise<number> {
  const said = demandWords(subject, { dryRun, reason, replica });
  const env = storeEnvironment(context.env, replica);
  const ports = connect(env, ['clock', 'encryptor', 'signer', 'store'], { log: context.log });
  const trust = await trustContext(ports, protectedDatabase(env).source);
  const plan = await planErasure(ports, trust, retentionSettings(env), subject);
  const entry = said === null ? null : await addErasure(ports, plan, { by: userName(), reason: said });
  context.document({ ...plan, entry, deployment: deploymentOf(env) });
  context.print([planView(plan), endWords(plan, entry !== null)].join('\n\n'));
  for (const { id, why } of plan.skipped) context.note(`warning: not looked into: ${id}: ${printable(why)}`);
  const hasReplica = (context.env['BACKUP_REPLICA_STORE'] ?? '') !== '';
  if (replica !== true && hasReplica) {
    context.note('note: the second store keeps copies too: the same with --dry-run --replica shows them.');
  }
  return plan.skipped.length > 0 ? 3 : 0;
}

/** The reason; null for a dry run. */
function demandWords({ id, kind }: Subject, { dryRun, reason, replica }: ForgetSubjectOptions): string | null {
  if (id.trim() === '' || id.length > 512) {
    throw new AppError('usage', `${JSON.stringify(id.slice(0, 64))} is no id of a ${kind}`, {
      hint: `Give the whole id of the ${kind}.`,
    });
  }
  if (dryRun === true) return null;
  if (replica === true) {
    throw new AppError('usage', '--replica goes with --dry-run alone', {
      hint: 'The erasure list is kept in the first store, and `replicate` copies it to the second.',
    });
  }
  if (reason !== undefined) return parseReason(reason);
  throw new AppError('usage', 'Neither --reason nor --dry-run is given', {
    hint: `See first what it means: \`npx soulcaster-backup forget-${kind} ID --dry-run --env-file .env\`; then give --reason TEXT.`,
  });
}

const WHY: Readonly<Record<KeepReason, string>> = {
  'another-owner': 'its record names another user',
  'in-another-list': "another user's list has it too",
  'no-record': 'no snapshot has a record of it that says whose it is',
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
      ? `User ${name}: its record, its list of projects and all data of ${own}.`
      : `Project ${name}: all data that name it or are tied to it, and its place in lists of users.`;
  const stays = others.map(({ project, why }) => `  ${printable(project)}: ${WHY[why]}`);
  return [
    what,
    ...(stays.length === 0
      ? []
      : [
          ["Projects that are not this user's alone stay (`forget-project` for each that is to go):", ...stays].join(
            '\n',
          ),
        ]),
    holders.length === 0
      ? `None of ${counted(searched, 'snapshot')} holds any of it.`
      : `${count(holders.length)} of ${counted(searched, 'snapshot')} still hold${holders.length === 1 ? 's' : ''} it:\n\n${holdersTable(holders)}`,
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

function endWords({ holders, kind }: ErasurePlan, isEntered: boolean): string {
  const pinned = holders.filter((holder) => holder.pinned).length;
  return [
    isEntered
      ? 'It is on the erasure list: every restore, undo and drill leaves it out and says so. Nothing was deleted.'
      : `Nothing was changed. With --reason TEXT the ${kind} is put on the erasure list: every restore then leaves it out.`,
    'Dates: with one snapshot a day, by the retention that is set here. Sooner: `npx soulcaster-backup snapshots forget ID --reason TEXT --env-file .env`.',
    ...(pinned === 0
      ? []
      : [
          `${counted(pinned, 'snapshot')} of these are pinned: no prune removes them (\`npx soulcaster-backup snapshots unpin ID --env-file .env\`).`,
        ]),
    'In the database, the index and Postgres the application deletes; docs/operations.md, "Erasure", says what it leaves.',
  ].join('\n');
}

/** `erasures list`. */
export async function listErasures(context: Context): Promise<number> {
  const ports = connect(context.env, ['encryptor', 'store'], { log: context.log });
  const erasures = await loadErasures(ports, secondList(context));
  context.document({ erasures, deployment: deploymentOf(context.env) });
  context.print(erasures.length === 0 ? 'The erasure list is empty: restores leave nothing out.' : view(erasures));
  return 0;
}

function secondList(context: Context): OtherErasures {
  return secondErasures(context.env, context.log, (why) =>
    context.note(`warning: the erasure list of the second store was not read: ${printable(why)}`),
  );
}

function view(erasures: readonly Erasure[]): string {
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

/** `erasures withdraw`: restores bring the data back again. Throws `not-found`. */
export async function withdraw(
  context: Context,
  subject: Subject,
  { reason }: { readonly reason: string },
): Promise<number> {
  const ports = connect(context.env, ['clock', 'encryptor', 'store'], { log: context.log });
  const word = { reason: parseReason(reason), at: new Date(ports.clock.now()).toISOString(), by: userName() };
  const entry = await withdrawErasure(ports, subject, word, secondList(context));
  if (entry === null) {
    throw new AppError(
      'not-found',
      `There is no entry of ${subject.kind} ${JSON.stringify(subject.id.slice(0, 64))} that counts`,
      {
        hint: 'See `npx soulcaster-backup erasures list --env-file .env`.',
      },
    );
  }
  context.document({ entry, deployment: deploymentOf(context.env) });
  context.print(`Taken back: restores bring data of ${subject.kind} ${printable(subject.id)} back again.`);
  return 0;
}
