/** Services of others that this program stands on. */
export const PROVIDERS = ['upstash', 'vercel', 'github', 'aws', 'google'] as const;
export type Provider = (typeof PROVIDERS)[number];

export interface ProviderReport {
  readonly state: 'operational' | 'maintenance' | 'degraded' | 'outage';
  /** A few words of the provider's, of printable characters. */
  readonly summary: string;
}

/** What providers say of themselves in public. */
export interface ProviderStatus {
  /** Where a provider is asked; null when it is not to be. */
  address(provider: Provider): string | null;
  /**
   * `region` narrows what AWS says to S3 there. Throws AppError `provider-unreadable` when there is no answer, or none
   * that can be read: then nothing is known.
   */
  read(provider: Provider, region: string | null): Promise<ProviderReport>;
}
