import { classifyKey } from '../soulcaster/keys.js';

/**
 * Names of keys by project, which is also the namespace. '' stands for data from before there were projects, which is kept
 * in the default namespace.
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

/** The list of a project's items, ordered by creation time. */
export function createdKey(project: string): string {
  return project === '' ? 'feedback:created' : `feedback:created:${project}`;
}

/** Whether a member of a list can be an item's id: not if it is not UTF-8 or contains a colon. */
export function canBeItem(project: string, id: string): boolean {
  const { family, item } = classifyKey(itemKey(project, id));
  return (family === 'feedback' || family === 'legacy-feedback') && item === id && !id.includes('\ufffd');
}

export function canBeCluster(project: string, id: string): boolean {
  const { cluster, family } = classifyKey(clusterItemsKey(project, id));
  return (family === 'cluster-items' || family === 'legacy-cluster-items') && cluster === id;
}

/** Whether a text can be the id of a project; other namespaces do not belong to the application. */
export function canBeProject(text: string): boolean {
  const { family, project } = classifyKey(itemKey(text, 'item'));
  return text !== '' && family === 'feedback' && project === text;
}
