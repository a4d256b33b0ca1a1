import { connect, createServer } from 'node:net';
import { parseArgs } from 'node:util';

/**
 * A network that takes its time: passes bytes on to `--target HOST:PORT`, half of `--latency MS` late each way, and
 * prints `{"port":N}` when it is ready. Bandwidth is not limited.
 */
const { values } = parseArgs({
  options: { target: { type: 'string', default: '' }, latency: { type: 'string', default: '0' } },
});
const [host, port] = values.target.split(':');
const lateMs = Number(values.latency) / 2;

/** Timers of one length fire in the order they were set, so bytes stay in theirs. */
function passOn(/** @type {import('node:net').Socket} */ from, /** @type {import('node:net').Socket} */ to) {
  from.on('data', (bytes) => setTimeout(() => to.write(bytes), lateMs));
  from.on('error', () => to.destroy());
  from.on('close', () => setTimeout(() => to.destroy(), lateMs));
}

const server = createServer({ noDelay: true }, (near) => {
  const far = connect({ host, port: Number(port), noDelay: true });
  passOn(near, far);
  passOn(far, near);
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${JSON.stringify(server.address())}\n`));
process.once('SIGTERM', () => process.exit(0));
