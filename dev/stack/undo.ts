/** What has to be ended later, in the opposite order of its beginning. */
export interface UndoList {
  push(undo: () => Promise<void>): void;
  /** Ends all, each once, also when one of them fails; then throws the first failure. */
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
