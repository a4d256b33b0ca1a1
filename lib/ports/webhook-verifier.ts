/** A request: the raw body, and the headers by lower-case name. */
export interface WebhookRequest {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Checks signatures of the Standard Webhooks specification (standardwebhooks.com), version 1. */
export interface WebhookVerifier {
  /**
   * The id of a webhook with a valid and recent signature. Throws AppError `signature-missing` (a header is missing
   * or malformed), `signature-stale` (signed more than 5 minutes ago or ahead) or `signature-wrong`.
   */
  verify(request: WebhookRequest): string;
}
