import { InvalidArgumentError, type Command } from 'commander';
import type { AckOptions } from './alerts.js';
import { parseTime } from './arguments.js';
import type { Perform } from './context.js';

/** The commands of monitoring, retention and replication. */
export function addGuardCommands(program: Command, perform: Perform): void {
  program
    .command('status')
    .description('show whether the objectives are met: age of the newest snapshot, last drill, runs, open alerts')
    .option('--projects', 'instead: show what is saved and searchable of each project')
    .action((options: { projects?: boolean }) =>
      perform(async (context) =>
        options.projects === true
          ? (await import('./projects.js')).showProjects(context)
          : (await import('./status.js')).status(context),
      ),
    );
  addAlerts(program, perform);
  program
    .command('cancel')
    .description('end a run now, as failed, and release its lease and locks')
    .argument('<run>', 'id of the run')
    .option('--replica', 'of the second store, BACKUP_REPLICA_STORE')
    .action((id: string, options: { replica?: boolean }) =>
      perform(async (context) => (await import('./unlock.js')).cancel(context, id, options)),
    );
  program
    .command('unlock')
    .description('show the leases held by runs or, with --yes, end one')
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
    .description('remove expired snapshots (RETENTION_ variables) and obsolete objects; works in a full store')
    .option('--dry-run', 'show what would be removed and why the rest is kept; change nothing')
    .option('--replica', 'prune the second store, BACKUP_REPLICA_STORE')
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
    .description('list open and acknowledged alerts, and whether messages arrive; exit 1 while any is open')
    .action(() => perform(async (context) => (await import('./alerts.js')).listAlerts(context)));
  alerts
    .command('list')
    .description('the same as `alerts`')
    .action(() => perform(async (context) => (await import('./alerts.js')).listAlerts(context)));
  alerts
    .command('test')
    .description('send a test message to ALERT_WEBHOOK_URL and show the answer')
    .action(() => perform(async (context) => (await import('./alerts.js')).testAlerts(context)));
  alerts
    .command('ack')
    .description('acknowledge an open alert: it stays closed until its message changes, or until a given time')
    .argument('<code>', 'code of the alert, such as chain-broken')
    .argument('[subject]', 'subject of the alert (default: every open alert with the code)')
    .requiredOption('--reason <text>', 'why; shown with the alert', parseReason)
    .option('--until <time>', 'when the alert opens again, such as 2026-12-01T00:00:00Z', parseTime)
    .action((code: string, subject: string | undefined, options: AckOptions) =>
      perform(async (context) => (await import('./alerts.js')).acknowledgeAlert(context, code, subject, options)),
    );
}

function parseReason(text: string): string {
  if (text.trim() !== '' && text.length <= 500) return text;
  throw new InvalidArgumentError('Give a text of 1 to 500 characters.');
}
