/** Consecutive tasks that one message delivers. */
export interface TaskGroup {
  readonly first: number;
  readonly count: number;
}

/**
 * Cuts tasks 0 .. `tasks` - 1 into groups of at most `most`: large groups first and smaller ones toward the end, so that
 * `workers` parallel workers finish at about the same time (guided self-scheduling:
 * Polychronopoulos and Kuck, IEEE Transactions on Computers 36/12, 1987). The same numbers give the same groups.
 */
export function cutGroups(tasks: number, workers: number, most: number): TaskGroup[] {
  const groups: TaskGroup[] = [];
  for (let first = 0; first < tasks;) {
    const share = Math.ceil((tasks - first) / (2 * workers));
    const count = Math.min(Math.max(1, share), most, tasks - first);
    groups.push({ first, count });
    first += count;
  }
  return groups;
}

export function tasksOf({ first, count }: TaskGroup): number[] {
  return Array.from({ length: count }, (_, at) => first + at);
}
