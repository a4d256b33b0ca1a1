import { type CANCEL_SYMBOL, confirm, isCancel, password, select, text as line } from '@clack/prompts';
import { AppError, toAppError } from '../../errors.js';
import type { Asker } from '../../setup/model.js';
import { printable } from '../output/printable.js';

/** Asks on the terminal. What is secret is shown as dots. Ctrl-C, and the end of the input, break everything off. */
export function terminalAsker(interrupt: AbortSignal): Asker {
  const common = { input: process.stdin, output: process.stderr, signal: interrupt };

  function answered<T>(answer: T | typeof CANCEL_SYMBOL): T {
    if (!isCancel(answer)) return answer;
    if (interrupt.aborted) throw toAppError(interrupt.reason);
    throw new AppError('interrupted', 'The setup was broken off: nothing was written', {
      hint: 'Start it again: npx soulcaster-backup init',
    });
  }

  return {
    async text({ example, label, optional = false, secret = false, variable }, present, problem) {
      const words = printable(`${label} (${variable})`);
      const validate = (given: string | undefined): string | undefined => {
        const found = problem((given ?? '').trim());
        return found === null ? undefined : printable(`${variable} ${found}`);
      };
      if (secret) {
        const keeps = present === '' ? (optional ? '; Enter leaves it out' : '') : '; Enter keeps the present one';
        return answered<string>(await password({ ...common, message: words + keeps, validate })).trim();
      }
      const shown =
        present === '' ? (example === undefined ? {} : { placeholder: example }) : { initialValue: present };
      return answered<string>(await line({ ...common, message: words, ...shown, validate })).trim();
    },
    async agree(words, byDefault) {
      return answered<boolean>(await confirm({ ...common, message: printable(words), initialValue: byDefault }));
    },
    async choose(words, options) {
      const shown = options.map(({ hint, label, value }) => ({
        value,
        label: printable(label),
        ...(hint === undefined ? {} : { hint: printable(hint) }),
      }));
      return answered<string>(await select<string>({ ...common, message: printable(words), options: shown }));
    },
  };
}
