import { updateEnvFile, formatEnvLine } from '../../app/config/env-file.js';
import type { Service, Values } from '../../setup/model.js';
import { SERVICES, variablesOf } from '../../setup/services.js';
import { isSecretName } from '../output/redact.js';

export interface Change {
  readonly name: string;
  readonly change: 'added' | 'changed' | 'removed';
  /** Null for secrets and for removed variables. */
  readonly value: string | null;
}

/** The changes between two sets of variables, in the order of the services; empty variables count as missing. */
export function changesOf(before: Values, after: Values): Change[] {
  const order = SERVICES.flatMap(variablesOf);
  const names = [...new Set([...order, ...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((name): Change[] => {
    const [had, has] = [before[name] ?? '', after[name] ?? ''];
    if (had === has) return [];
    const value = has === '' || isSecretName(name) ? null : has;
    return [{ name, change: had === '' ? 'added' : has === '' ? 'removed' : 'changed', value }];
  });
}

/** The text of the env file: a new file with a heading for each service, or the existing text with changed values. */
export function envFileText(
  present: string | null,
  values: Values,
  changes: readonly Change[],
  leftOut: readonly { readonly service: Service; readonly cost: string | null }[],
): string {
  if (present !== null) {
    return updateEnvFile(
      present,
      new Map(changes.map(({ name, change }) => [name, change === 'removed' ? null : (values[name] ?? '')])),
    );
  }
  const left = new Map(Object.entries(values));
  const blocks = SERVICES.flatMap((service) => {
    const lines = variablesOf(service).flatMap((name) => {
      const value = left.get(name);
      if (value === undefined || !left.delete(name)) return [];
      return [formatEnvLine(name, value)];
    });
    return lines.length === 0 ? [] : [[`# --- ${service.title}`, ...lines].join('\n')];
  });
  const rest = [...left].map(([name, value]) => formatEnvLine(name, value));
  return `${[
    '# Written by `npx soulcaster-backup init`, which also changes it. .env.example explains every variable.',
    ...blocks,
    ...(rest.length === 0 ? [] : [['# --- Other', ...rest].join('\n')]),
    ...(leftOut.length === 0 ? [] : [leftOut.map(leftOutLine).join('\n')]),
  ].join('\n\n')}\n`;
}

function leftOutLine({ cost, service }: { readonly service: Service; readonly cost: string | null }): string {
  return `# Left out: ${service.title}${cost === null ? '' : ` - ${cost}`}`;
}
