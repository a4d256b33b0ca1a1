/** An error answer of Google's APIs (google/rpc/status.proto in JSON). */
export class GoogleError extends Error {
  constructor(
    readonly code: number,
    readonly status: string,
    message: string,
    readonly details: readonly object[] = [],
  ) {
    super(message);
  }

  body(): object {
    const { code, message, status, details } = this;
    return { error: { code, message, status, ...(details.length === 0 ? {} : { details }) } };
  }
}

const TYPE = 'type.googleapis.com/google.rpc.';
const HELP = 'For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.';

export function invalidArgumentError(message: string): GoogleError {
  return new GoogleError(400, 'INVALID_ARGUMENT', message);
}

export function wrongKeyError(): GoogleError {
  return new GoogleError(400, 'INVALID_ARGUMENT', 'API key not valid. Please pass a valid API key.', [
    {
      '@type': `${TYPE}ErrorInfo`,
      reason: 'API_KEY_INVALID',
      domain: 'googleapis.com',
      metadata: { service: 'generativelanguage.googleapis.com' },
    },
  ]);
}

export function missingKeyError(): GoogleError {
  return new GoogleError(
    403,
    'PERMISSION_DENIED',
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
  );
}

export function noPermissionError(): GoogleError {
  return new GoogleError(403, 'PERMISSION_DENIED', "Your API key doesn't have permission to call this method.");
}

export function unknownModelError(model: string, method: string): GoogleError {
  return new GoogleError(
    404,
    'NOT_FOUND',
    `models/${model} is not found for API version v1beta, or is not supported for ${method}. Call ListModels to see the list of available models and their supported methods.`,
  );
}

/** 429 with all of Google's details. `model` is the bare name. */
export function quotaError(period: 'Minute' | 'Day', retryDelayMs: number, model: string): GoogleError {
  return new GoogleError(429, 'RESOURCE_EXHAUSTED', `You exceeded your current quota. ${HELP}`, [
    {
      '@type': `${TYPE}QuotaFailure`,
      violations: [
        {
          quotaMetric: 'generativelanguage.googleapis.com/embed_content_free_tier_requests',
          quotaId: `EmbedContentRequestsPer${period}PerUserPerProjectPerModel-FreeTier`,
          quotaDimensions: { location: 'global', model },
          quotaValue: period === 'Day' ? '1000' : '100',
        },
      ],
    },
    {
      '@type': `${TYPE}Help`,
      links: [
        { description: 'Learn more about Gemini API quotas', url: 'https://ai.google.dev/gemini-api/docs/rate-limits' },
      ],
    },
    { '@type': `${TYPE}RetryInfo`, retryDelay: `${retryDelayMs / 1000}s` },
  ]);
}

/** 429 without details, which Google sends as well. */
export function bareQuotaError(): GoogleError {
  return new GoogleError(429, 'RESOURCE_EXHAUSTED', 'Resource has been exhausted (e.g. check quota).');
}

export function serverError(status: 500 | 503): GoogleError {
  return status === 500
    ? new GoogleError(500, 'INTERNAL', 'An internal error has occurred. Please retry.')
    : new GoogleError(503, 'UNAVAILABLE', 'The model is overloaded. Please try again later.');
}

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
