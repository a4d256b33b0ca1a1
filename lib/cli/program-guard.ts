import { InvalidArgumentError, type Command } from 'commander';
import type { AckOptions } from './alerts.js';
import { time } from './arguments.js';
import type { Perform } from './context.js';

/** The commands that keep a trusted snapshot at hand and say whether there is one. */
export function addGuardCommands(program: Command, perform: Perform): void {
  program
    .command('status')
    .description('are the objectives met? age of the newest snapshot, time of the last drill, runs, open alerts')
    .option('--projects', 'instead: what is saved, and what is searchable, of each project')
    .action((options: { projects?: boolean }) =>
      perform(async (context) =>
        options.projects === true
          ? (await import('./projects.js')).projects(context)
          : (await import('./status.js')).status(context),
      ),
    );
  addAlerts(program, perform);
  program
    .command('cancel')
    .description('end a run now, as failed; its lease and its locks are freed')
    .argument('<run>', 'id of the run')
    .option('--replica', 'of the second store, BACKUP_REPLICA_STORE')
    .action((id: string, options: { replica?: boolean }) =>
      perform(async (context) => (await import('./unlock.js')).cancel(context, id, options)),
    );
  program
    .command('unlock')
    .description('show the leases that runs hold or, with --yes, end one')
    .argument('[lease]', 'name of a lease, such as database')
    .option('--yes', 'end the lease')
    .option('--replica', 'of the second store, BACKUP_REPLICA_STORE')
    .action((name: string | undefined, options: { yes?: boolean; replica?: boolean }) =>
      perform(async (context) => (await import('./unlock.js')).unlock(context, name, options)),
    );
  program
    .command('guard')
    .description('run the guard now: stuck runs, a snapshot and a drill if due, chain, services, alerts')
    .option('--local', 'do all work in this process, without the queue (the default without QSTASH_TOKEN)')
    .action((options: { local?: boolean }) =>
      perform(async (context) => (await import('./guard.js')).guardByHand(context, options)),
    );
  program
    .command('prune')
    .description('remove snapshots by the RETENTION_ variables, and obsolete objects; also in a full store')
    .option('--dry-run', 'show what would be removed, and why the rest stays; change nothing')
    .option('--replica', 'in the second store, BACKUP_REPLICA_STORE')
    .action((options: { dryRun?: boolean; replica?: boolean }) =>
      perform(async (context) => (await import('./prune.js')).prune(context, options)),
    );
  program
    .command('replicate')
    .description('copy the verified snapshots to the second store, BACKUP_REPLICA_STORE, and prune it')
    .option('--dry-run', 'show what would be copied and change nothing')
    .action((options: { dryRun?: boolean }) =>
      perform(async (context) => (await import('./replicate.js')).replicate(context, options)),
    );
}

function addAlerts(program: Command, perform: Perform): void {
  const alerts = program
    .command('alerts')
    .description('open alerts, acknowledged ones, and whether messages arrive; exit 1 while any is open')
    .action(() => perform(async (context) => (await import('./alerts.js')).listAlerts(context)));
  alerts
    .command('list')
    .description('the same')
    .action(() => perform(async (context) => (await import('./alerts.js')).listAlerts(context)));
  alerts
    .command('test')
    .description('send a test message to ALERT_WEBHOOK_URL and show the answer')
    .action(() => perform(async (context) => (await import('./alerts.js')).testAlerts(context)));
  alerts
    .command('ack')
    .description('acknowledge an open alert: it stays closed until its message changes, or until a time')
    .argument('<code>', 'code of the alert, such as chain-broken')
    .argument('[subject]', 'what it is about; without it all that are open under the code')
    .requiredOption('--reason <text>', 'why; it is shown to whoever looks later', reason)
    .option('--until <time>', 'when it opens again, such as 2026-12-01T00:00:00Z', time)
    .action((code: string, subject: string | undefined, options: AckOptions) =>
      perform(async (context) => (await import('./alerts.js')).ackAlert(context, code, subject, options)),
    );
}

function reason(text: string): string {
  if (text.trim() !== '' && text.length <= 500) return text;
  throw new InvalidArgumentError('It takes a text of 1 to 500 characters.');
}
