export { load, loadMixed, loadWorkspace, type Loaded } from './load.js';
export { bigHash, bigString, writeMixed, type MixedOptions } from './mixed.js';
export { generateWorkspace, type WorkspaceOptions } from './workspace.js';
export type { Write } from './write.js';
