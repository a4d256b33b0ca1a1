import { randomBytes } from 'node:crypto';
import { startFaultProxy, type FaultAction, type ProxiedRequest } from './fault-proxy.js';

/** How a service is told who calls: a bearer token, or a header of its own. */
export type KeyHeader = 'authorization' | 'x-goog-api-key';

export interface DoorOptions {
  /** Base URL of the stand-in behind. */
  readonly target: string;
  /** Default: any free one. */
  readonly port?: number;
  /** The key that the stand-in takes; null where it is told otherwise who calls. */
  readonly key: { readonly header: KeyHeader; readonly value: string } | null;
}

/** What stands before a stand-in, to make it fail, and to change the key that it takes. */
export interface Door {
  readonly url: string;
  /** What requests meet from now on: all of them, or each as the function says; null for nothing. */
  fail(fault: FaultAction | null | ((request: ProxiedRequest) => FaultAction | null)): void;
  /** From now on the service takes this new key and refuses the one before, as after a reset in its console. */
  changeKey(): string;
  stop(): Promise<void>;
}

export async function openDoor({ key, port, target }: DoorOptions): Promise<Door> {
  let faultOf: (request: ProxiedRequest) => FaultAction | null = () => null;
  let taken: string | null = null;
  const written = (value: string): string => (key?.header === 'authorization' ? `Bearer ${value}` : value);
  const proxy = await startFaultProxy({
    target,
    remember: false,
    ...(port === undefined ? {} : { port }),
    rule(request) {
      const fault = faultOf(request);
      if (fault !== null) return fault;
      if (key === null || taken === null) return 'pass';
      const isNew = request.headers[key.header] === written(taken);
      return { header: key.header, value: written(isNew ? key.value : 'a-key-that-was-revoked') };
    },
  });
  return {
    url: proxy.url,
    fail: (fault) => void (faultOf = typeof fault === 'function' ? fault : () => fault),
    changeKey: () => (taken = randomBytes(24).toString('base64url')),
    stop: () => proxy.stop(),
  };
}
