import { invalidArgumentError } from './errors.js';

export interface EmbedRequest {
  readonly text: string;
  readonly dimensions: number;
}

/** A request to one model: models give different vectors for the same text. */
export interface ModelRequest extends EmbedRequest {
  readonly model: string;
}

/** 4 MiB, as in the API's error for larger requests. */
export const MAX_BODY_BYTES = 4_194_304;
const MAX_BATCH = 100;
const DIMENSIONS = { least: 128, most: 3072 };

type Fields = Readonly<Record<string, unknown>>;

/** Parses the body of `batchEmbedContents`; throws GoogleError 400 for the first error. */
export function parseBatch(body: string, model: string): EmbedRequest[] {
  const { requests } = parseObject(body);
  if (!Array.isArray(requests) || requests.length === 0) {
    throw invalidArgumentError('* BatchEmbedContentsRequest.requests: at least one request is required\n');
  }
  if (requests.length > MAX_BATCH) {
    throw invalidArgumentError(
      `* BatchEmbedContentsRequest.requests: at most ${MAX_BATCH} requests can be in one batch\n`,
    );
  }
  return requests.map((request: unknown, index) => {
    const field = `BatchEmbedContentsRequest.requests[${index}]`;
    if (!isFields(request)) throw invalidArgumentError(`Invalid value at 'requests[${index}]'`);
    if (request.model !== `models/${model}`)
      throw invalidArgumentError(`* ${field}.model: must be the model of the batch\n`);
    return parseOne(request, field);
  });
}

/** Parses the body of `embedContent`, in which the model is optional: the path names it. */
export function parseSingle(body: string): EmbedRequest {
  return parseOne(parseObject(body), 'EmbedContentRequest');
}

function parseOne({ content, outputDimensionality }: Fields, field: string): EmbedRequest {
  const parts: unknown = isFields(content) ? content.parts : undefined;
  if (!Array.isArray(parts) || parts.length === 0)
    throw invalidArgumentError(`* ${field}.content: content is required\n`);
  const texts = parts.map((part: unknown) => (isFields(part) ? part.text : undefined));
  if (!texts.every((text) => typeof text === 'string' && text !== '')) {
    throw invalidArgumentError(`* ${field}.content contains an empty Part.\n`);
  }
  return { text: texts.join('\n'), dimensions: parseDimensions(outputDimensionality, field) };
}

function parseDimensions(value: unknown, field: string): number {
  const { least, most } = DIMENSIONS;
  if (value === undefined || value === null) return most;
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalidArgumentError(`* ${field}.output_dimensionality: must be between ${least} and ${most}\n`);
}

function parseObject(body: string): Fields {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    throw invalidArgumentError('Invalid JSON payload received.');
  }
  if (!isFields(parsed))
    throw invalidArgumentError('Invalid JSON payload received. Unknown name "": Root element must be a message.');
  return parsed;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
