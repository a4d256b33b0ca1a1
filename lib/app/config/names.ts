import { isTargetVariable, knownVariables, type Environment } from '../config.js';

/** Prefixes that only this program uses: an unknown variable with such a prefix is a mistake. */
const OWN_PREFIX = /^(BACKUP|RETENTION|RESTORE|REPLICA|REINDEX|DRILL|SOULCASTER|EMBEDDING)_/;
/** How many letters a misspelling may differ in; with more, unrelated names would match. */
const MAX_DISTANCE = 2;

interface Misspelt {
  readonly name: string;
  /** The variable that was probably meant; null if none is similar. */
  readonly meant: string | null;
}

/** Variables that are set and resemble a variable of this program, but are unknown to it. */
export function findMisspeltVariables(
  env: Readonly<Record<string, string | undefined>>,
  known: ReadonlySet<string>,
): Misspelt[] {
  const names = Object.keys(env).filter(
    (name) => (env[name] ?? '') !== '' && !known.has(name) && !isTargetVariable(name),
  );
  return names.flatMap((name) => {
    const normalized = name
      .toUpperCase()
      .replace(/[^A-Z0-9]+/g, '_')
      .replace(/^_|_$/g, '');
    const meant = known.has(normalized) ? normalized : findNearest(normalized, known);
    return meant !== null || OWN_PREFIX.test(normalized) ? [{ name: printable(name), meant }] : [];
  });
}

function findNearest(name: string, known: ReadonlySet<string>): string | null {
  let best: string | null = null;
  let least = MAX_DISTANCE + 1;
  for (const each of known) {
    // AWS_REGION is not a misspelling of S3_REGION: short names must be nearly identical.
    const limit = Math.min(MAX_DISTANCE, Math.floor(each.length / 6));
    const distance = Math.abs(name.length - each.length) > limit ? Infinity : editDistance(name, each);
    if (distance > limit || distance >= least) continue;
    [best, least] = [each, distance];
  }
  return best;
}

/** The number of letters to change, insert, delete or swap with a neighbour (optimal string alignment). */
function editDistance(first: string, second: string): number {
  let [before, above] = [[] as number[], Array.from({ length: second.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= first.length; row++) {
    const line = [row];
    for (let column = 1; column <= second.length; column++) {
      const same = first[row - 1] === second[column - 1];
      let least = Math.min(
        (above[column] ?? 0) + 1,
        (line[column - 1] ?? 0) + 1,
        (above[column - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped = first[row - 1] === second[column - 2] && first[row - 2] === second[column - 1];
      if (row > 1 && column > 1 && swapped) least = Math.min(least, (before[column - 2] ?? 0) + 1);
      line.push(least);
    }
    [before, above] = [above, line];
  }
  return above[second.length] ?? 0;
}

function printable(name: string): string {
  return name.replace(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Variables of an operator's machine: functions do not read them, or must not have them. */
const OPERATOR_ONLY =
  /^(BACKUP_AGE_IDENTITY(_FILE)?|UPSTASH_(EMAIL|API_KEY|API_URL|REDIS_ID)|VERCEL_.*|SOULCASTER_.*|AWS_PROFILE|DEBUG|S3_SESSION_TOKEN|REPLICA_S3_SESSION_TOKEN)$/;

/** Whether the functions read a variable of this name. */
export function isFunctionVariable(name: string): boolean {
  return (knownVariables().has(name) || isTargetVariable(name)) && !OPERATOR_ONLY.test(name);
}

/** The variables that the functions get, by name. */
export function functionVariables(env: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      (value ?? '') !== '' && isFunctionVariable(name) ? [[name, value ?? '']] : [],
    ),
  );
}
