import { AppError } from '../errors.js';
import { examine, type CheckResult } from '../health/doctor.js';
import { FILLS, type Filled } from './fill.js';
import type { Question, Service, Setup, SetupPorts, Values } from './model.js';
import { SERVICES, variablesOf } from './services.js';

/** How one service stands after it was set up; `filled` null when it was left out. */
type Outcome = { readonly filled: Filled; readonly checks: readonly CheckResult[] } | 'left-out';

/**
 * Sets every service up, one after the other: asks what is missing, fetches or makes what can be, and tries it at once, by
 * doctor's own checks. What fails is asked for again, kept, or left out, as somebody says. Writes nothing.
 *
 * `given`: what is known; `withheld`: variables that are to be left out. Throws `interrupted` when a question is broken off.
 */
export async function gather(given: Values, withheld: ReadonlySet<string>, ports: SetupPorts): Promise<Setup> {
  let values = given;
  let identity: Setup['identity'] = null;
  const checks: CheckResult[] = [];
  const leftOut: Service[] = [];
  for (const service of SERVICES) {
    const outcome = await setUp(service, values, withheld, ports);
    if (outcome === 'left-out') {
      ports.print({ kind: 'left-out', service, cost: ports.costOf(service) });
      values = without(service, values);
      leftOut.push(service);
    } else {
      values = outcome.filled.values;
      identity = outcome.filled.identity ?? identity;
      checks.push(...outcome.checks);
    }
  }
  return { values, identity, checks, leftOut };
}

async function setUp(
  service: Service,
  given: Values,
  withheld: ReadonlySet<string>,
  ports: SetupPorts,
): Promise<Outcome> {
  if (variablesOf(service).some((variable) => withheld.has(variable)) && service.kind !== 'needed') return 'left-out';
  if (!(await isWanted(service, given, ports))) return 'left-out';
  ports.print({ kind: 'begins', service });
  let values = given;
  for (let again = false; ; again = true) {
    if (ports.asker !== null) values = await askAll(service, values, again, ports);
    const outcome = await tryOut(service, values, ports);
    if (ports.asker === null || outcome.checks.every(({ ok }) => ok)) return outcome;
    const choice = await ports.asker.choose(`${service.title}: something failed`, [
      { value: 'again', label: 'try again', hint: 'asks for its values again' },
      { value: 'keep', label: 'keep it as it is', hint: 'doctor says it again later' },
      ...(service.kind === 'needed' ? [] : [{ value: 'leave', label: 'leave it out' }]),
    ]);
    if (choice === 'keep') return outcome;
    if (choice === 'leave') return 'left-out';
  }
}

async function isWanted(service: Service, values: Values, { asker, costOf }: SetupPorts): Promise<boolean> {
  if (service.kind === 'needed') return true;
  const isTouched = variablesOf(service).some((variable) => variable in values && variable !== 'PUBLIC_URL');
  if (isTouched) return true;
  if (asker === null) return service.kind === 'automatic';
  // What costs nobody anything is made without a question; an identity has to be kept.
  if (service.kind === 'automatic' && service.id !== 'encryption') return true;
  const cost = costOf(service);
  return asker.agree(
    `${service.title}: ${service.about}${cost === null ? '' : ` Without it: ${cost}.`} Set it up?`,
    true,
  );
}

async function askAll(service: Service, given: Values, again: boolean, ports: SetupPorts): Promise<Values> {
  let values = given;
  const isDone =
    missingOf(service, values).length === 0 && service.questions.some(({ variable }) => variable in values);
  if (isDone && !again) return values;
  for (const question of service.questions) {
    const { variable, when } = question;
    if (when?.(values) === false || (variable in values && !again)) continue;
    values = await askOne(question, values, ports);
  }
  return values;
}

async function askOne(question: Question, values: Values, { asker, problemOf }: SetupPorts): Promise<Values> {
  const { optional = false, variable } = question;
  const present = values[variable] ?? '';
  const problem = (text: string): string | null => {
    if (text !== '') return problemOf(variable, text);
    return optional || present !== '' ? null : 'is needed';
  };
  const text = (await asker?.text(question, present, problem)) ?? '';
  if (text !== '') return { ...values, [variable]: text };
  // Nothing typed keeps a secret, which was not shown; what was shown, and was emptied, goes.
  if (question.secret === true || !optional) return values;
  return drop([variable], values);
}

/** Questions without which the service cannot be tried. */
function missingOf({ questions }: Service, values: Values): Question[] {
  return questions.filter(
    ({ optional, variable, when }) => optional !== true && when?.(values) !== false && !(variable in values),
  );
}

async function tryOut(service: Service, values: Values, ports: SetupPorts): Promise<Exclude<Outcome, 'left-out'>> {
  let filled: Filled = { values, seen: null };
  const broken: AppError[] = [];
  const checks: CheckResult[] = [];
  const fill = FILLS[service.id];
  if (fill !== undefined && missingOf(service, values).length === 0) {
    const look = async () => {
      filled = await fill(values, ports).catch((error: unknown) => {
        if (error instanceof AppError && error.code === 'interrupted') broken.push(error);
        throw error;
      });
      return filled.seen ?? { status: 'ok' as const, detail: '', hint: null };
    };
    // Somebody may have to choose, so that no limit of time is set.
    const limitMs = 600_000;
    for await (const result of examine(ports.clock, [[{ name: service.id, limitMs, run: look }]])) {
      // A question that was broken off is no failure of the service.
      if (broken[0] !== undefined) throw broken[0];
      if (result.detail !== '') checks.push(told(result, ports));
    }
  }
  if (checks.every(({ ok }) => ok)) {
    for (const result of await ports.probe(filled.values, service.checks)) checks.push(told(result, ports));
  }
  return { filled, checks };
}

function told(result: CheckResult, { print: tell }: SetupPorts): CheckResult {
  tell({ kind: 'checked', result });
  return result;
}

function without(service: Service, values: Values): Values {
  // The address serves more than the queue.
  return drop(
    variablesOf(service).filter((variable) => variable !== 'PUBLIC_URL'),
    values,
  );
}

function drop(variables: readonly string[], values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !variables.includes(name)));
}
