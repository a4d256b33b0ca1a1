import { AppError } from '../errors.js';
import { examine, type CheckResult } from '../health/doctor.js';
import { FILLS, type FillResult } from './fill.js';
import type { Question, Service, Setup, SetupPorts, Values } from './model.js';
import { SERVICES, variablesOf } from './services.js';

/** The result of setting up one service. */
type Outcome = { readonly filled: FillResult; readonly checks: readonly CheckResult[] } | 'left-out';

/**
 * Sets up every service in turn: asks for missing values, fetches or generates the rest, and runs doctor's checks. When a check
 * fails, the operator decides whether to ask again, keep the values, or leave the service out. Writes nothing.
 *
 * `given`: known values; `withheld`: variables to leave out. Throws `interrupted` when a question is cancelled.
 */
export async function gather(given: Values, withheld: ReadonlySet<string>, ports: SetupPorts): Promise<Setup> {
  let values = given;
  let identity: Setup['identity'] = null;
  const checks: CheckResult[] = [];
  const leftOut: Service[] = [];
  for (const service of SERVICES) {
    const outcome = await setUpService(service, values, withheld, ports);
    if (outcome === 'left-out') {
      ports.print({ kind: 'left-out', service });
      values = withoutService(service, values);
      leftOut.push(service);
    } else {
      values = outcome.filled.values;
      identity = outcome.filled.identity ?? identity;
      checks.push(...outcome.checks);
    }
  }
  return { values, identity, checks, leftOut };
}

async function setUpService(
  service: Service,
  given: Values,
  withheld: ReadonlySet<string>,
  ports: SetupPorts,
): Promise<Outcome> {
  if (isWithheld(service, withheld)) return 'left-out';
  if (!(await isWanted(service, given, ports))) return 'left-out';
  ports.print({ kind: 'begins', service });
  let values = given;
  for (let again = false; ; again = true) {
    if (ports.prompter !== null) values = await promptForAll(service, values, again, ports);
    const outcome = await fillAndCheck(service, values, withheld, ports);
    if (ports.prompter === null || outcome.checks.every(({ ok }) => ok)) return outcome;
    const choice = await ports.prompter.select(`${service.title}: something failed`, [
      { value: 'again', label: 'try again', hint: 'asks for its values again' },
      { value: 'keep', label: 'keep it as it is', hint: 'doctor will report it again' },
      ...(service.kind === 'needed' ? [] : [{ value: 'leave', label: 'leave it out' }]),
    ]);
    if (choice === 'keep') return outcome;
    if (choice === 'leave') return 'left-out';
  }
}

/** Whether the service cannot work without the withheld variables. Others are only left out themselves. */
function isWithheld({ independent, kind, made, questions }: Service, withheld: ReadonlySet<string>): boolean {
  const required = questions.filter(({ optional }) => optional !== true);
  const has = (variable: string): boolean => withheld.has(variable);
  if (kind === 'needed') return false;
  if (kind === 'automatic') return independent === true ? made.every(has) : made.slice(0, 1).some(has);
  return required.some(({ variable }) => has(variable));
}

async function isWanted(service: Service, values: Values, { prompter, costOf, isNew }: SetupPorts): Promise<boolean> {
  if (service.kind === 'needed') return true;
  const isPartlySet = variablesOf(service).some((variable) => variable in values && !KEPT.includes(variable));
  if (isPartlySet) return true;
  if (prompter === null) return service.kind === 'automatic' && isNew;
  // Generated without a question, except encryption: its identity has to be kept safe by the operator.
  if (service.kind === 'automatic' && service.id !== 'encryption') return true;
  const cost = costOf(service);
  return prompter.confirm(
    `${service.title}: ${service.about}${cost === null ? '' : ` Without it: ${cost}.`} Set it up?`,
    true,
  );
}

async function promptForAll(service: Service, given: Values, again: boolean, ports: SetupPorts): Promise<Values> {
  let values = given;
  const isDone =
    missingOf(service, values).length === 0 && service.questions.some(({ variable }) => variable in values);
  if (isDone && !again) return values;
  for (const question of service.questions) {
    const { variable, when } = question;
    if (when?.(values) === false || (variable in values && !again)) continue;
    values = await promptForAnswer(question, values, ports);
  }
  return values;
}

async function promptForAnswer(
  question: Question,
  values: Values,
  { prompter, problemOf }: SetupPorts,
): Promise<Values> {
  const { optional = false, variable } = question;
  const present = values[variable] ?? '';
  const problem = (text: string): string | null => {
    if (text !== '') return problemOf(variable, text);
    return optional || present !== '' ? null : 'is required';
  };
  const text = (await prompter?.text(question, present, problem)) ?? '';
  if (text !== '') return { ...values, [variable]: text };
  // An empty answer keeps a secret, which is not shown, and removes an optional value, which was shown.
  if (question.secret === true || !optional) return values;
  return omitVariables([variable], values);
}

/** Questions without which the service cannot be tried. */
function missingOf({ questions }: Service, values: Values): Question[] {
  return questions.filter(
    ({ optional, variable, when }) => optional !== true && when?.(values) !== false && !(variable in values),
  );
}

async function fillAndCheck(
  service: Service,
  values: Values,
  withheld: ReadonlySet<string>,
  ports: SetupPorts,
): Promise<Exclude<Outcome, 'left-out'>> {
  let filled: FillResult = { values, observation: null };
  const interrupts: AppError[] = [];
  const checks: CheckResult[] = [];
  const isKept = service.kind === 'automatic' && ports.prompter === null && !ports.isNew;
  const fill = isKept ? undefined : FILLS[service.id];
  if (fill !== undefined && missingOf(service, values).length === 0) {
    const run = async () => {
      filled = await fill(values, ports).catch((error: unknown) => {
        if (error instanceof AppError && error.code === 'interrupted') interrupts.push(error);
        throw error;
      });
      filled = { ...filled, values: omitVariables([...withheld], filled.values) };
      return filled.observation ?? { status: 'ok' as const, detail: '', hint: null };
    };
    // Ten minutes, because the operator may have to answer a question.
    const limitMs = 600_000;
    for await (const result of examine(ports.clock, [[{ name: service.id, limitMs, run }]])) {
      // A cancelled question is not a failure of the service.
      if (interrupts[0] !== undefined) throw interrupts[0];
      if (result.detail !== '') checks.push(reportCheck(result, ports));
    }
  }
  if (checks.every(({ ok }) => ok)) {
    for (const result of await ports.probe(filled.values, service.checks)) checks.push(reportCheck(result, ports));
  }
  return { filled, checks };
}

function reportCheck(result: CheckResult, { print }: SetupPorts): CheckResult {
  print({ kind: 'checked', result });
  return result;
}

/** Kept when their service is left out: more than the queue uses PUBLIC_URL, and the identity opens existing snapshots. */
const KEPT: readonly string[] = ['PUBLIC_URL', 'BACKUP_AGE_IDENTITY_FILE'];

function withoutService(service: Service, values: Values): Values {
  return omitVariables(
    variablesOf(service).filter((variable) => !KEPT.includes(variable)),
    values,
  );
}

function omitVariables(variables: readonly string[], values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !variables.includes(name)));
}
