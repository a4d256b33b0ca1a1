import type { VercelConfig } from './paths.js';

/** Configuration of the host process. */
export interface HostConfig {
  /** Folder of the built functions: `{root}/dist/bundle/functions` by default. */
  readonly functionsDir: string;
  /** Folder of the static files. */
  readonly publicDir: string;
  /** The variables that functions see, beside PATH, HOME and TZ. */
  readonly env: Readonly<Record<string, string>>;
  readonly port: number;
  /** The time limit of each function, in seconds: the first matching pattern applies. */
  readonly limits: readonly { readonly pattern: string; readonly seconds: number }[];
  readonly defaultLimitSeconds: number;
  /** Headers of vercel.json, by path. */
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

/** A request to an instance. */
export interface InstanceRequest {
  readonly file: string;
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
}

export type FromInstance =
  /** The module is loaded and the handler is about to be called: the time limit starts now. */
  | { readonly type: 'running' }
  | {
      readonly type: 'response';
      readonly status: number;
      readonly headers: readonly (readonly [string, string])[];
      readonly body: Uint8Array;
    }
  | { readonly type: 'no-such-method'; readonly allow: readonly string[] }
  | { readonly type: 'threw'; readonly text: string };
