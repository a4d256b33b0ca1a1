/** Name and version of this program, as manifests and user agents give it. Held equal to package.json by a test. */
export const VERSION = '0.1.0';
export const TOOL = `soulcaster-backup/${VERSION}`;
