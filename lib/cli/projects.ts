import { connect } from '../app/connect.js';
import { deploymentOf } from '../app/connect/database.js';
import { connectProjects } from '../app/connect/projects.js';
import { projectFigures, type ProjectFigures, type ProjectRow } from '../monitoring/projects.js';
import type { Context } from './context.js';
import { count, printable } from './output/format.js';
import { table } from './output/table.js';

/** `status --projects`: what is saved and what is searchable of each project. Exit 1 when a service does not answer. */
export async function showProjects(context: Context): Promise<number> {
  const { env } = context;
  const ports = connect(env, ['clock', 'log', 'signer', 'store'], { log: context.log });
  const figures = await projectFigures(connectProjects(env, ports));
  context.print([...headLines(figures), projectsTable(figures)].join('\n'));
  context.document({ ...figures, deployment: deploymentOf(env) });
  return [figures.store, figures.redis, figures.vectors].includes('unavailable') ? 1 : 0;
}

function headLines({ redis, snapshot, store, vectors }: ProjectFigures): string[] {
  const unknown = [
    store === 'unavailable' ? 'The store does not answer: what is saved is not known.' : null,
    redis === 'unavailable' ? 'The database does not answer: items are not known.' : null,
    vectors === 'unavailable' ? 'The vector index does not answer: vectors are not known.' : null,
    redis === 'partly' ? 'The database has more keys than were scanned: a newer project may be missing.' : null,
  ];
  const basis = snapshot === null ? [] : [`Keys are counted in snapshot ${snapshot}.`];
  return [...basis, ...unknown.filter((words) => words !== null)];
}

function projectsTable({ projects: rows }: ProjectFigures): string {
  if (rows.length === 0) return 'No project is known.';
  const number = (value: number | null): string => (value === null ? 'not known' : count(value));
  const cells = ({ items, keys, pending, project, vectors }: ProjectRow): string[] => {
    const waiting = (pending ?? 0) > 0 ? ` (${count(pending ?? 0)} pending)` : '';
    return [printable(project), keys === 0 ? 'not saved' : number(keys), number(items), `${number(vectors)}${waiting}`];
  };
  return table(['project', 'keys saved', 'items', 'vectors'], rows.map(cells), [1, 2, 3]);
}
