import { connect } from '../../app/connect.js';
import { deploymentOf } from '../../app/connect/database.js';
import type { Subject } from '../../erasure/plan.js';
import { AppError } from '../../errors.js';
import { demandReason } from '../../snapshot/accept.js';
import { loadErasures, withdrawErasure, type Erasure } from '../../snapshot/erasures.js';
import type { Context } from '../context.js';
import { counted, printable } from '../output/format.js';
import { table } from '../output/table.js';
import { userName } from '../snapshots/accept.js';

/** `erasures list`. */
export async function listErasures(context: Context): Promise<number> {
  const ports = connect(context.env, ['encryptor', 'store'], { log: context.log });
  const erasures = await loadErasures(ports);
  context.document({ erasures, deployment: deploymentOf(context.env) });
  context.print(erasures.length === 0 ? 'The erasure list is empty: restores leave nothing out.' : view(erasures));
  return 0;
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
  const word = { reason: demandReason(reason), at: new Date(ports.clock.now()).toISOString(), by: userName() };
  const entry = await withdrawErasure(ports, subject, word);
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
