import type { RunView } from '../api/types.js';
import { resultFacts } from '../words/results.js';
import { commands } from '../words/commands.js';
import { Command } from './command.js';

/** What a run came to, and what to do where it went wrong. */
export function RunResult({ run }: { readonly run: RunView }) {
  const facts = resultFacts(run);
  return (
    <div class="result">
      {run.error !== null && (
        <p>
          {run.error.message} <code>{run.error.code}</code>
        </p>
      )}
      {run.error !== null && <p class="hint">{run.error.hint}</p>}
      {run.details !== undefined && <p class="hint">{run.details}.</p>}
      {facts.length > 0 && (
        <dl class="facts">
          {facts.map(([name, value]) => (
            <div key={name + value}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
      <Command line={commands.run(run.runId)} />
    </div>
  );
}
