import type { RedisCommand } from '../../ports/redis.js';
import { runCommands, parseFields, groups, type CheckContext } from './context.js';
import { setPages } from './pages.js';

const PROJECT_FIELDS = ['id', 'user_id', 'name', 'created_at'] as const;
const REPOS = 500;

/**
 * Checks that the project's hash and its user's list of projects agree. `known`: other users who may list the project.
 * Returns whether the dashboard finds the project.
 */
export async function checkOwner(context: CheckContext, known: Iterable<string>): Promise<boolean> {
  const { project, tally } = context;
  const [reply] = await runCommands(context, [['HMGET', `project:${project}`, ...PROJECT_FIELDS]]);
  const fields = parseFields(PROJECT_FIELDS, reply);
  const owner = fields?.user_id ?? null;
  if (fields === null) tally.add('project-missing', project);
  else if (owner === null) tally.add('project-without-owner', project);
  const others = [...new Set(known)].filter((user) => user !== owner);
  const users = owner === null ? others : [owner, ...others];
  const replies = await runCommands(
    context,
    users.map((user): RedisCommand => ['SISMEMBER', `user:projects:${user}`, project]),
  );
  let isFound = false;
  for (const [index, user] of users.entries()) {
    const isListed = replies[index] === 1;
    if (user === owner) isFound = isListed;
    if (user === owner && !isListed) tally.add('owner-without-project', user);
    if (user !== owner && isListed) tally.add('project-of-another-user', user);
  }
  return isFound;
}

/** Checks that `github:repos` and the hashes agree. `named`: repositories that items name. */
export async function checkRepos(context: CheckContext, named: ReadonlySet<string>): Promise<void> {
  const { project, tally } = context;
  const listed = new Set<string>();
  for await (const { elements } of setPages(context, [`github:repos:${project}`])) {
    for (const repo of elements) listed.add(repo);
  }
  for (const repos of groups(new Set([...listed, ...named]), REPOS)) {
    const replies = await runCommands(
      context,
      repos.map((repo): RedisCommand => ['EXISTS', `github:repo:${project}:${repo}`]),
    );
    for (const [index, repo] of repos.entries()) {
      const hasHash = replies[index] === 1;
      if (!hasHash && listed.has(repo)) tally.add('repo-without-hash', repo);
      if (hasHash && !listed.has(repo)) tally.add('repo-not-listed', repo);
    }
  }
}
