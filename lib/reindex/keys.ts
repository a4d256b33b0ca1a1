import { classifyKey } from '../soulcaster/keys.js';

/**
 * Names of keys by project, which is the namespace as well. '' stands for what is from before there were projects and
 * is kept in the default namespace.
 */
export function itemKey(project: string, item: string): string {
  return project === '' ? `feedback:${item}` : `feedback:${project}:${item}`;
}

export function clusterItemsKey(project: string, cluster: string): string {
  return project === '' ? `cluster:items:${cluster}` : `cluster:${project}:${cluster}:items`;
}

export function clusterKey(project: string, cluster: string): string {
  return project === '' ? `cluster:${cluster}` : `cluster:${project}:${cluster}`;
}

export function clustersKey(project: string): string {
  return project === '' ? 'clusters:all' : `clusters:${project}:all`;
}

/** The list of a project's items, by when they were created. */
export function createdKey(project: string): string {
  return project === '' ? 'feedback:created' : `feedback:created:${project}`;
}

/** Whether a member of a list can be an item's id: one that is not UTF-8, or holds a colon, can not. */
export function canBeItem(project: string, id: string): boolean {
  const { family, item } = classifyKey(itemKey(project, id));
  return (family === 'feedback' || family === 'legacy-feedback') && item === id && !id.includes('\ufffd');
}

export function canBeCluster(project: string, id: string): boolean {
  const { cluster, family } = classifyKey(clusterItemsKey(project, id));
  return (family === 'cluster-items' || family === 'legacy-cluster-items') && cluster === id;
}

/** Whether a text can be the id of a project: a namespace of another name is not the application's. */
export function canBeProject(text: string): boolean {
  const { family, project } = classifyKey(itemKey(text, 'item'));
  return text !== '' && family === 'feedback' && project === text;
}
