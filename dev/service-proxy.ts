import { randomBytes } from 'node:crypto';
import { startFaultProxy, type FaultAction, type ProxiedRequest } from './fault-proxy.js';

/** The header that carries a service's key. */
export type KeyHeader = 'authorization' | 'x-goog-api-key';

export interface ServiceProxyOptions {
  /** Base URL of the stand-in. */
  readonly target: string;
  /** Default: any free port. */
  readonly port?: number;
  /** The key that the stand-in accepts; null when it authenticates in another way. */
  readonly key: { readonly header: KeyHeader; readonly value: string } | null;
}

/** A proxy in front of a stand-in that injects faults and replaces the accepted key. */
export interface ServiceProxy {
  readonly url: string;
  /** Sets the fault of all further requests, or of those that the function selects; null removes it. */
  fail(fault: FaultAction | null | ((request: ProxiedRequest) => FaultAction | null)): void;
  /** Replaces the accepted key, as a reset in the console does, and returns the new key. */
  changeKey(): string;
  stop(): Promise<void>;
}

export async function startServiceProxy({ key, port, target }: ServiceProxyOptions): Promise<ServiceProxy> {
  let faultOf: (request: ProxiedRequest) => FaultAction | null = () => null;
  let newKey: string | null = null;
  const headerValue = (value: string): string => (key?.header === 'authorization' ? `Bearer ${value}` : value);
  const proxy = await startFaultProxy({
    target,
    remember: false,
    ...(port === undefined ? {} : { port }),
    rule(request) {
      const fault = faultOf(request);
      if (fault !== null) return fault;
      if (key === null || newKey === null) return 'pass';
      const isNew = request.headers[key.header] === headerValue(newKey);
      return { header: key.header, value: headerValue(isNew ? key.value : 'a-key-that-was-revoked') };
    },
  });
  return {
    url: proxy.url,
    fail: (fault) => void (faultOf = typeof fault === 'function' ? fault : () => fault),
    changeKey: () => (newKey = randomBytes(24).toString('base64url')),
    stop: () => proxy.stop(),
  };
}
