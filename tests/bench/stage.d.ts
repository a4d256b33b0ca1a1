/** How much of what: the options of programs/load-data.js, without their dashes. */
export type Data = Readonly<Record<string, number>>;

/** A loaded redis-server and the REST stand-in in front of it, each in a separate process, and a temporary folder. */
export interface Stage {
  readonly keys: number;
  readonly redisUrl: string;
  readonly url: string;
  readonly token: string;
  readonly folder: string;
  /** Variables of the environment for programs, with a store of that name within the folder. */
  variables(store: string): Record<string, string>;
  /** Removes all keys. */
  empty(): Promise<void>;
  stop(): Promise<void>;
}

export function setStage(data: Data, latencyMs: number): Promise<Stage>;
