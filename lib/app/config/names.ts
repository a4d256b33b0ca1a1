import { knownVariables, type Environment } from '../config.js';

/** Names that only this program uses begin so: one of them that it does not know is a mistake. */
const OURS = /^(BACKUP|RETENTION|RESTORE|REPLICA|REINDEX|DRILL|SOULCASTER|EMBEDDING)_/;
/** This many letters may differ; more in longer names would find words that only look alike. */
const DISTANCE = 2;
const TARGET = /^RESTORE_TARGET_[A-Z0-9_]+_REST_(URL|TOKEN)$/;

interface Misspelt {
  readonly name: string;
  /** The variable that was probably meant; null when none is near. */
  readonly meant: string | null;
}

/** Variables that are set, that this program does not know, and that look like one of this program's. */
export function misspeltVariables(
  env: Readonly<Record<string, string | undefined>>,
  known: ReadonlySet<string>,
): Misspelt[] {
  const names = Object.keys(env).filter((name) => (env[name] ?? '') !== '' && !known.has(name) && !TARGET.test(name));
  return names.flatMap((name) => {
    const plain = name
      .toUpperCase()
      .replace(/[^A-Z0-9]+/g, '_')
      .replace(/^_|_$/g, '');
    const meant = known.has(plain) ? plain : nearest(plain, known);
    return meant !== null || OURS.test(plain) ? [{ name: printable(name), meant }] : [];
  });
}

function nearest(name: string, known: ReadonlySet<string>): string | null {
  let best: string | null = null;
  let least = DISTANCE + 1;
  for (const each of known) {
    // A variable such as S3_REGION beside AWS_REGION is no misspelling: short names must be nearly the same.
    const limit = Math.min(DISTANCE, Math.floor(each.length / 6));
    const distance = Math.abs(name.length - each.length) > limit ? Infinity : editDistance(name, each);
    if (distance > limit || distance >= least) continue;
    [best, least] = [each, distance];
  }
  return best;
}

/** Letters to change, add, drop or swap with their neighbour (optimal string alignment). */
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

/** Variables for an operator's machine: no function reads them, or none is to have them. */
const OPERATORS =
  /^(BACKUP_AGE_IDENTITY(_FILE)?|UPSTASH_(EMAIL|API_KEY|API_URL|REDIS_ID)|VERCEL_.*|SOULCASTER_.*|AWS_PROFILE|DEBUG|S3_SESSION_TOKEN|REPLICA_S3_SESSION_TOKEN)$/;

/** What the functions are to have, by name. */
export function functionVariables(env: Environment): Record<string, string> {
  const known = knownVariables();
  const isOurs = (name: string): boolean => (known.has(name) || TARGET.test(name)) && !OPERATORS.test(name);
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (isOurs(name) && (value ?? '') !== '' ? [[name, value ?? '']] : [])),
  );
}
