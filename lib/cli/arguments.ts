import { InvalidArgumentError } from 'commander';

const MAX_PROJECT_LENGTH = 512;

/** An empty one, as of a shell variable that is not set, must not come to mean everything. */
export function projectId(text: string): string {
  if (text.trim() !== '' && text.length <= MAX_PROJECT_LENGTH) return text;
  throw new InvalidArgumentError('It takes the whole id of a project.');
}
