const WINDOW_MS = 1000;

/** Takes that number of commands from what a database may run; false, and takes nothing, where there were too many. */
export type CommandLimiter = (commands: number) => boolean;

/** This many commands within any second. */
export function commandLimiter(perSecond: number, now: () => number): CommandLimiter {
  const taken: { readonly at: number; readonly commands: number }[] = [];
  let sum = 0;
  return (commands) => {
    const from = now() - WINDOW_MS;
    while (taken[0] !== undefined && taken[0].at <= from) sum -= taken.shift()?.commands ?? 0;
    if (sum + commands > perSecond) return false;
    taken.push({ at: now(), commands });
    sum += commands;
    return true;
  };
}
