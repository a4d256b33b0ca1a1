/** Path of a program of the benchmarks. */
export function program(name: string): string;
/** The options of node that the command line starts itself with. */
export function productFlags(): Promise<string[]>;
/** Runs a program of node's to its end and returns the JSON that it prints. */
export function runNode(args: readonly string[], variables?: Readonly<Record<string, string>>): Promise<unknown>;
