import type { VercelConfig } from './vercel-config.js';

/** What the host process is started with. */
export interface HostConfig {
  /** Folder of the built functions: `{root}/dist/bundle/functions` by default. */
  readonly functionsDir: string;
  /** Folder of the static files. */
  readonly publicDir: string;
  /** The variables that functions see, beside PATH, HOME and TZ. */
  readonly env: Readonly<Record<string, string>>;
  readonly port: number;
  /** The longest run of each function, in seconds: the first pattern that fits holds. */
  readonly limits: readonly { readonly pattern: string; readonly seconds: number }[];
  readonly defaultLimitSeconds: number;
  /** Headers of vercel.json, by the paths that they are for. */
  readonly headers: VercelConfig['headers'];
  readonly rewrites: VercelConfig['rewrites'];
  readonly maxInstances: number;
}

export type ToHost =
  | { readonly type: 'start'; readonly config: HostConfig }
  | { readonly type: 'stop' }
  | { readonly type: 'kill-all'; readonly id: number };

export type FromHost =
  | { readonly type: 'ready'; readonly port: number }
  | { readonly type: 'failed'; readonly message: string }
  | { readonly type: 'killed'; readonly id: number; readonly count: number };

/** A request as it goes to an instance. */
export interface InstanceRequest {
  readonly file: string;
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
}

export type FromInstance =
  /** The function's module is loaded and its handler about to be called: its time runs from now. */
  | { readonly type: 'running' }
  | {
      readonly type: 'response';
      readonly status: number;
      readonly headers: readonly (readonly [string, string])[];
      readonly body: Uint8Array;
    }
  | { readonly type: 'no-such-method'; readonly allow: readonly string[] }
  | { readonly type: 'threw'; readonly text: string };
