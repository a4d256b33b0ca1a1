/** Cleanup steps, run in reverse order. */
export interface UndoList {
  push(undo: () => Promise<void>): void;
  /** Runs all steps once, even when one fails; then throws the first failure. */
  run(): Promise<void>;
}

export function undoList(): UndoList {
  const list: (() => Promise<void>)[] = [];
  return {
    push: (undo) => void list.push(undo),
    async run() {
      const failures: unknown[] = [];
      for (let undo = list.pop(); undo !== undefined; undo = list.pop()) {
        await undo().catch((error: unknown) => void failures.push(error));
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}
