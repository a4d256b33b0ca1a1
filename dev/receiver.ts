import { serveApi } from './stand-in-server.js';

/** Who is told of alerts, and the watchdog that is pinged. */
export interface Receiver {
  readonly url: string;
  /** Texts of the alert messages so far, oldest first. */
  readonly alerts: readonly string[];
  /** Called with each that comes from now on. */
  onAlert(told: (text: string) => void): void;
  stop(): Promise<void>;
}

/** Takes alert messages under /alerts and pings under /ping, on 127.0.0.1. */
export async function startReceiver(): Promise<Receiver> {
  const alerts: string[] = [];
  let tell: (text: string) => void = () => undefined;
  const server = await serveApi(({ body, path }) => {
    if (path.startsWith('/alerts')) {
      const text = typeof body === 'object' && body !== null && 'text' in body ? String(body.text) : '';
      alerts.push(text);
      tell(text);
    }
    return { status: 200, body: { ok: true } };
  });
  return {
    url: server.url,
    alerts,
    onAlert: (told) => void (tell = told),
    stop: () => server.stop(),
  };
}
