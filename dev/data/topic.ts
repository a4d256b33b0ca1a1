/** One thing that users write about: what a cluster is made of. */
export interface Topic {
  /** Short name, as the title of a cluster. */
  readonly label: string;
  readonly summary: string;
  /** Titles of single reports. */
  readonly titles: readonly string[];
  /** What a report says about the topic; any choice in any order makes sense. */
  readonly sentences: readonly string[];
}
