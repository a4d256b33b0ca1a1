/** Version of this program, as in manifests and user agents. A test keeps it equal to package.json. */
export const VERSION = '0.1.0';
export const TOOL = `soulcaster-backup/${VERSION}`;
