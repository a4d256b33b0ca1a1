import type { IncomingMessage, ServerResponse } from 'node:http';
import { bodyOf } from '../stand-in-server.js';
import {
  GoogleError,
  invalidArgumentError,
  missingKeyError,
  noPermissionError,
  serverError,
  unknownModelError,
  wrongKeyError,
} from './errors.js';
import { MAX_BODY_BYTES, parseBatch, parseSingle } from './request.js';
import { serve } from './serve.js';
import type { Service } from './serve.js';

/** Answers one request of the API. */
export async function answer(service: Service, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    await call(service, request, response);
  } catch (error) {
    if (response.headersSent) throw error;
    const refusal = error instanceof GoogleError ? error : serverError(500);
    send(response, refusal.code, JSON.stringify(refusal.body(), null, 2));
  }
}

async function call(service: Service, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const bytes = await bodyOf(request, MAX_BODY_BYTES);
  if (typeof bytes === 'number') {
    throw invalidArgumentError(`Request payload size exceeds the limit: ${MAX_BODY_BYTES} bytes.`);
  }
  const body = bytes.toString('utf8');
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  checkKey(request.headers['x-goog-api-key'] ?? url.searchParams.get('key'), service.apiKey);
  const known = /^\/v1beta\/models\/([^/:]+)$/.exec(url.pathname)?.[1];
  if (request.method === 'GET' && known !== undefined) {
    showModel(response, service, known);
    return;
  }
  const [, model = '', method = ''] =
    /^\/v1beta\/models\/([^/:]+):(batchEmbedContents|embedContent)$/.exec(url.pathname) ?? [];
  if (request.method !== 'POST' || method === '') throw new GoogleError(404, 'NOT_FOUND', 'Not Found');
  if (!service.models.includes(model)) throw unknownModelError(model, method);
  const batch = method === 'batchEmbedContents';
  const outcome = await serve(service, model, batch ? parseBatch(body, model) : [parseSingle(body)]);
  if ('body' in outcome) send(response, 200, outcome.body);
  else if ('silence' in outcome) breakConnection(response, outcome.silence);
  else {
    send(response, 200, batch ? batchAnswer(outcome.embeddings) : singleAnswer(outcome.embeddings));
  }
}

/** Not counted by the limits; faults of calls apply. */
function showModel(response: ServerResponse, service: Service, model: string): void {
  const fault = service.faults().call({ index: -1, texts: [] });
  if (fault === 'hang' || fault === 'reset') breakConnection(response, fault);
  else if (typeof fault === 'number') throw serverError(fault);
  else if (fault === 'denied') throw noPermissionError();
  else if (!service.models.includes(model)) throw unknownModelError(model, 'getModel');
  else {
    const methods = ['embedContent', 'countTextTokens', 'asyncBatchEmbedContent'];
    send(response, 200, JSON.stringify({ name: `models/${model}`, supportedGenerationMethods: methods }));
  }
}

function checkKey(given: string | string[] | null, apiKey: string): void {
  if (given === null || given === '') throw missingKeyError();
  if (given !== apiKey) throw wrongKeyError();
}

/** Assembled from bytes, because a string of a hundred vectors would have to be encoded again. */
function batchAnswer(embeddings: readonly Buffer[]): Buffer {
  const parts = embeddings.flatMap((values, at) => [Buffer.from(at === 0 ? '{"values":' : '},{"values":'), values]);
  const end = embeddings.length === 0 ? ']}' : '}]}';
  return Buffer.concat([Buffer.from('{"embeddings":['), ...parts, Buffer.from(end)]);
}

function singleAnswer([values = Buffer.from('[]')]: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from('{"embedding":{"values":'), values, Buffer.from('}}')]);
}

function send(response: ServerResponse, status: number, body: string | Buffer): void {
  response.writeHead(status, {
    'content-type': 'application/json; charset=UTF-8',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

function breakConnection(response: ServerResponse, silence: 'hang' | 'reset' | 'half-reply'): void {
  if (silence === 'reset') response.socket?.resetAndDestroy();
  if (silence !== 'half-reply') return;
  response.writeHead(200, { 'content-type': 'application/json; charset=UTF-8', 'content-length': 1_000_000 });
  response.write('{"embeddings": [{"values": [0.1', () => response.destroy());
}
