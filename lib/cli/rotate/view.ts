import type { RotationResult, RotatedVariable } from '../../rotation/result.js';
import { facts, table } from '../output/table.js';

const OUTCOMES: Readonly<Record<RotationResult['outcome'], string>> = {
  planned: 'a dry run: nothing was changed',
  done: 'done',
  'rolled-back': 'rolled back: everything is as it was before',
  'half-changed': 'HALF CHANGED: see which value each variable has',
  'broken-off': 'broken off: the same command resumes it',
};

const VALUES = { old: 'the old value', new: 'the new value', unsure: 'old or new' } as const;
const PLANS = { set: 'gets the new value', create: 'is made', keep: 'has it already' } as const;

const DEPLOYMENTS = {
  none: 'as before',
  begun: 'begun with the new value',
  ready: 'built with the new value',
  failed: 'failed, serves nobody',
} as const;

/** What a rotation did, or would do. */
export function rotationView(result: RotationResult): string {
  const { backend, id, outcome, proof, resumed } = result;
  const head = facts([
    ['outcome', OUTCOMES[outcome]],
    ...(id === null ? [] : [['rotation', `${id}${resumed ? ', gone on with' : ''}`] as const]),
    ...(id === null && resumed ? [['resumes', 'a rotation that was broken off'] as const] : []),
    ['new value', proof],
    ...(backend === 'not-asked' ? [] : [['backend', backend === 'healthy' ? 'well' : 'not well, as before'] as const]),
  ]);
  const rows = result.variables.map((one) => [one.project, one.variable, words(result, one), deployed(result, one)]);
  return `${head}\n\n${table(['project', 'variable', 'value', 'deployment'], rows)}`;
}

function words({ outcome }: RotationResult, { action, has, wayBack }: RotatedVariable): string {
  const back = wayBack ? '' : ' (NO WAY BACK)';
  return (outcome === 'planned' ? PLANS[action] : VALUES[has]) + back;
}

function deployed({ deployments, outcome }: RotationResult, { project }: RotatedVariable): string {
  const deployment = deployments.find((one) => one.project === project);
  if (deployment === undefined) return '';
  if (outcome === 'planned') return `${deployment.from} is rebuilt`;
  if (outcome === 'done') return 'rebuilt, ready';
  const served = deployment.state === 'ready' || deployment.state === 'begun';
  if (outcome === 'rolled-back') return served ? 'rebuilt with the old value' : 'as before';
  return DEPLOYMENTS[deployment.state];
}
