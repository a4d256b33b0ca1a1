/** How something is: told by colour and, wherever it shows, by a sign and a word as well. */
export type Tone = 'good' | 'warn' | 'bad' | 'busy' | 'plain';
