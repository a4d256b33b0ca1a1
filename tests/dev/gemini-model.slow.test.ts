import { once } from 'node:events';
import { resolve } from 'node:path';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { describe, expect, it } from '@jest/globals';
import fc, { anyCharacter, cases } from '../support/fast-check.js';
import { hashVectors, modelVectors } from '../../dev/gemini/vectors.js';

const MAIN = resolve(import.meta.dirname, '../../dist/dev/gemini/main.js');
const MODEL = 'models/gemini-embedding-001';

/** Reports every connection that the process opens, and refuses it. */
const NO_NETWORK = `
import net from 'node:net';
import dgram from 'node:dgram';
const refuse = () => { process.stderr.write('network access'); throw new Error('no network'); };
net.Socket.prototype.connect = refuse;
dgram.Socket.prototype.send = refuse;
globalThis.fetch = refuse;`;

const cosine = (left: readonly number[] = [], right: readonly number[] = []): number =>
  left.reduce((sum, value, index) => sum + value * (right[index] ?? NaN), 0) /
  Math.hypot(...left) /
  Math.hypot(...right);

describe('the vectors of the model', () => {
  const embed = async (dimensions: number, ...texts: string[]) => {
    const vectors = await modelVectors(texts.map((text) => ({ text, dimensions, model: MODEL })));
    for (const vector of vectors) expect(JSON.parse(vector.json.toString())).toEqual(vector.values());
    return vectors.map((vector) => vector.values());
  };

  it.each([128, 512, 768, 3072])('mean something in %i dimensions', async (dimensions) => {
    const [crash, crashes, invoice] = await embed(
      dimensions,
      'The app crashes when I open the settings',
      'Opening settings makes the application crash',
      'Please send invoices as PDF files',
    );
    expect([crash?.length, crashes?.length, invoice?.length]).toEqual([dimensions, dimensions, dimensions]);
    expect(cosine(crash, crashes)).toBeGreaterThan(cosine(crash, invoice) + 0.1);
    expect(Math.hypot(...(crash ?? []))).toBeCloseTo(dimensions === 3072 ? 1 : 0.65, 4);
  });

  it('differ for texts that differ late, and stay near', async () => {
    const start = 'The export of the weekly report stops half way. '.repeat(10);
    const [one, other, same] = await embed(768, `${start}One`, `${start}Another`, `${start}One`);
    expect(one).not.toEqual(other);
    expect(one).toEqual(same);
    expect(cosine(one, other)).toBeGreaterThan(0.98);
  });

  it('do not take a pair of surrogates apart', async () => {
    const start = 'x'.repeat(239);
    const [emoji, none] = await embed(128, `${start}🙂 end`, start);
    expect(emoji).toEqual(none);
  });
});

describe('the vectors of hashes', () => {
  it.each([128, 135, 768, 3072])('depend on the text alone, are finite and far apart: %i', async (dimensions) => {
    const text = fc.string({ minLength: 1, unit: anyCharacter });
    await fc.assert(
      fc.asyncProperty(text, text, async (left, right) => {
        fc.pre(left !== right);
        const requests = [left, right, left].map((one) => ({ text: one, dimensions, model: MODEL }));
        const vectors = await hashVectors(requests);
        for (const vector of vectors) expect(JSON.parse(vector.json.toString())).toEqual(vector.values());
        const [first, second, third] = vectors.map((vector) => vector.values());
        expect(third).toEqual(first);
        expect(first).toHaveLength(dimensions);
        expect(Math.hypot(...(first ?? []))).toBeCloseTo(dimensions === 3072 ? 1 : 0.65, 4);
        expect(Math.abs(cosine(first, second))).toBeLessThan(dimensions < 768 ? 0.6 : 0.3);
      }),
      { numRuns: cases(50) },
    );
  });
});

describe('as a separate process', () => {
  it('needs no network, prints one line, and ends on request', async () => {
    const preload = `data:text/javascript,${encodeURIComponent(NO_NETWORK)}`;
    const child = spawn(process.execPath, ['--import', preload, MAIN, '--api-key', 'key', '--port', '0']);
    const ended = once(child, 'close');
    const lines: string[] = [];
    const said: string[] = [];
    child.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()));
    const output = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    try {
      await once(output, 'line');
      const { url, apiKey } = JSON.parse(lines[0] ?? '') as { url: string; apiKey: string };
      const response = await fetch(`${url}/v1beta/${MODEL}:embedContent`, {
        method: 'POST',
        headers: { 'x-goog-api-key': apiKey, connection: 'close' },
        body: JSON.stringify({ content: { parts: [{ text: 'a text' }] } }),
      });
      expect(await response.json()).toMatchObject({ embedding: { values: expect.any(Array) } });
    } finally {
      child.kill('SIGTERM');
    }
    expect(await ended).toEqual([0, null]);
    expect({ lines: lines.length, said }).toEqual({ lines: 1, said: [] });
  });
});
