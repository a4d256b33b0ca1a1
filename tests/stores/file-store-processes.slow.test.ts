import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { fileStore } from '../../lib/stores/file/store.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'file-store-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const bytes = (text: string) => Buffer.from(text);
const temporary = () => join(folder, '@work', 'temporary');

/** Runs a program text in a separate Node process; `store` is a store over the folder. */
function inProcess(code: string, ...command: string[]) {
  const module = new URL('../../dist/lib/stores/file/store.js', import.meta.url).href;
  const program = `import { fileStore } from ${JSON.stringify(module)};
    const store = fileStore({ folder: ${JSON.stringify(folder)} });
    ${code}`;
  const line = [...command, process.execPath, '--input-type=module', '-e', program];
  return spawn(line[0] ?? '', line.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function outputOf(child: ReturnType<typeof inProcess>): Promise<string> {
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(child, 'close');
  return Buffer.concat(chunks).toString();
}

/** The command under which a process may mount what only itself can see, and which ends with it. */
async function ownMounts(): Promise<string[]> {
  const ways = [
    ['unshare', '-m'],
    ['unshare', '-rm'],
    ['sudo', '-n', 'unshare', '-m'],
  ];
  for (const [program = '', ...args] of ways) {
    const works = await promisify(execFile)(program, [...args, 'true']).catch(() => null);
    if (works !== null) return [program, ...args];
  }
  throw new Error('This test needs mount namespaces: run it as root, or with passwordless sudo.');
}

const SHOW_ERROR = `.catch((e) => console.log(JSON.stringify({ code: e.code, hint: e.hint, message: e.message })));`;

describe('several processes', () => {
  it('lose no swap', async () => {
    const store = fileStore({ folder });
    await store.create('counter', bytes('0'));
    // Two writers of the same bytes cannot be told apart, so each adds its process id.
    const code = `for (let done = 0; done < 25; ) {
      const { body, etag } = await store.read('counter');
      const next = \`\${parseInt(body) + 1} by \${process.pid}\`;
      if ((await store.swap('counter', Buffer.from(next), etag)) !== null) done++;
    }`;
    await Promise.all(Array.from({ length: 4 }, () => outputOf(inProcess(code))));
    expect((await store.read('counter'))?.body.toString()).toMatch(/^100 by /);
  });

  it('find whole objects after one of them was killed while it wrote', async () => {
    const store = fileStore({ folder });
    const body = (version: number) => Buffer.alloc(300_000, `version ${version};`);
    await store.create('state', body(0));
    const code = `const body = (version) => Buffer.alloc(300_000, \`version \${version};\`);
    for (let version = 1; ; version++) {
      const { etag } = await store.read('state');
      await store.swap('state', body(version), etag);
      await store.create('made/' + version, body(version));
      if (version === 3) console.log('under way');
    }`;
    for (let round = 0; round < 4; round++) {
      const child = inProcess(code);
      await once(child.stdout, 'data');
      await new Promise((resolve) => setTimeout(resolve, round * 7));
      child.kill('SIGKILL');
      await once(child, 'exit');
      for await (const { name } of store.list('')) {
        const found = (await store.read(name))?.body ?? bytes('');
        const version = Number(/^version (\d+);/.exec(found.toString('latin1'))?.[1]);
        expect(found.equals(body(version))).toBe(true);
      }
      // The dead process may hold the lock for another four seconds; to wait for that is not what is looked at here.
      await rm(join(folder, '@work', 'locks'), { recursive: true, force: true });
    }
  });
});

describe('a disk that refuses a write', () => {
  it('a file size limit is store-full, and no object is partly written', async () => {
    // Left alone, the signal that comes with it ends a process at once.
    // What a killed process left is removed, although no write succeeds before.
    const left = join(temporary(), 'left');
    await mkdir(temporary(), { recursive: true });
    await writeFile(left, 'half');
    await utimes(left, new Date(Date.now() - 2 * 3_600_000), new Date(Date.now() - 2 * 3_600_000));
    const code = `process.on('SIGXFSZ', () => undefined);
      await store.create('big', Buffer.alloc(3_000_000))${SHOW_ERROR}
      console.log(await store.read('big'));`;
    const [error, read] = (await outputOf(inProcess(code, 'sh', '-c', 'ulimit -f 1000; exec "$@"', 'sh'))).split('\n');
    expect(JSON.parse(error ?? '')).toMatchObject({
      code: 'store-full',
      hint: expect.stringContaining('space') as unknown,
    });
    expect(read).toBe('null');
    expect(await readdir(temporary())).toEqual([]);
  });

  it('a full file system is store-full; existing objects stay whole, and a removal frees space', async () => {
    const code = `await store.create('small', Buffer.alloc(100_000, 'a'));
      const made = await store.create('state', Buffer.alloc(100_000, 'b'));
      await store.create('big', Buffer.alloc(3_000_000))${SHOW_ERROR}
      await store.swap('state', Buffer.alloc(3_000_000), made.etag)${SHOW_ERROR}
      const names = [];
      for await (const object of store.list('')) names.push(object.name + ' ' + object.size);
      console.log(JSON.stringify(names));
      await store.remove('small');
      console.log((await store.create('fits', Buffer.alloc(800_000))).created);`;
    const mount = `mount -t tmpfs -o size=1m none ${folder}; exec "$@"`;
    const output = await outputOf(inProcess(code, ...(await ownMounts()), 'sh', '-ec', mount, 'sh'));
    const [create, swap, list, fits] = output.split('\n');
    expect(JSON.parse(create ?? '')).toMatchObject({
      code: 'store-full',
      message: expect.stringContaining('ENOSPC') as unknown,
    });
    expect(JSON.parse(swap ?? '')).toMatchObject({ code: 'store-full' });
    expect(JSON.parse(list ?? '')).toEqual(['small 100000', 'state 100000']);
    expect(fits).toBe('true');
  });

  it('a read-only file system is store-denied', async () => {
    const code = `await store.create('a', Buffer.from('x'))${SHOW_ERROR}`;
    const mount = `mount -t tmpfs -o ro none ${folder}; exec "$@"`;
    const output = await outputOf(inProcess(code, ...(await ownMounts()), 'sh', '-ec', mount, 'sh'));
    expect(JSON.parse(output)).toMatchObject({
      code: 'store-denied',
      message: expect.stringContaining('EROFS') as unknown,
    });
  });

  it('a folder that may not be written is store-denied', async () => {
    await fileStore({ folder }).create('a', bytes('x'));
    await chmod(temporary(), 0o500);
    const code = `await store.create('b', Buffer.from('x'))${SHOW_ERROR}`;
    // Root may write anywhere unless it gives up that right; nobody else has it.
    const asRoot = ['setpriv', '--bounding-set=-dac_override,-dac_read_search'];
    const plain = process.getuid?.() === 0 ? asRoot : [];
    const lines = (await outputOf(inProcess(code, ...plain))).trim().split('\n');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      code: 'store-denied',
      hint: expect.stringContaining('access') as unknown,
    });
    await chmod(temporary(), 0o700);
  });
});
