const WINDOW_MS = 1000;

/** Takes commands from the allowance; returns false and takes nothing when they exceed it. */
export type CommandLimiter = (commands: number) => boolean;

/** Allows `perSecond` commands within any second. */
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
