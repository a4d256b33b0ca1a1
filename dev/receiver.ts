import { serveApi } from './stand-in-server.js';

/** A receiver of alert messages and of the watchdog's pings. */
export interface Receiver {
  readonly url: string;
  /** Texts of the alert messages so far, oldest first. */
  readonly alerts: readonly string[];
  /** Sets the listener for further alerts. */
  onAlert(callback: (text: string) => void): void;
  stop(): Promise<void>;
}

/** Accepts alert messages under /alerts and pings under /ping, on 127.0.0.1. */
export async function startReceiver(): Promise<Receiver> {
  const alerts: string[] = [];
  let listener: (text: string) => void = () => undefined;
  const server = await serveApi(({ body, path }) => {
    if (path.startsWith('/alerts')) {
      const text = typeof body === 'object' && body !== null && 'text' in body ? String(body.text) : '';
      alerts.push(text);
      listener(text);
    }
    return { status: 200, body: { ok: true } };
  });
  return {
    url: server.url,
    alerts,
    onAlert: (callback) => void (listener = callback),
    stop: () => server.stop(),
  };
}
