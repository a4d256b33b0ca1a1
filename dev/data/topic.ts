/** A subject that users write about; a cluster holds the feedback on one topic. */
export interface Topic {
  /** Short name, as the title of a cluster. */
  readonly label: string;
  readonly summary: string;
  /** Titles of single reports. */
  readonly titles: readonly string[];
  /** Sentences of a report on the topic; any selection in any order makes sense. */
  readonly sentences: readonly string[];
}
