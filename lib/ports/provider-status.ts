/** External services that this program depends on. */
export const PROVIDERS = ['upstash', 'vercel', 'github', 'aws', 'google'] as const;
export type Provider = (typeof PROVIDERS)[number];

export interface ProviderReport {
  readonly state: 'operational' | 'maintenance' | 'degraded' | 'outage';
  /** A short text by the provider, in printable characters. */
  readonly summary: string;
}

/** The public status pages of providers. */
export interface ProviderStatus {
  /** The address of a provider's status page; null if the provider is not checked. */
  address(provider: Provider): string | null;
  /**
   * `region` limits the status of AWS to S3 in that region. Throws AppError `provider-unreadable` when there is no readable
   * response, so that the status is not known.
   */
  read(provider: Provider, region: string | null): Promise<ProviderReport>;
}
