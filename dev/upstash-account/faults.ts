import type { Faults } from '../faults.js';

/** A request to the stand-in, as rules of faults see it. */
export interface AccountRequest {
  readonly method: string;
  /** `list-backup`, `create-backup`, `database`, ... */
  readonly endpoint: string;
}

export interface AccountFaults extends Faults<AccountRequest> {
  /** Backups and restores that are begun do not go on before this resolves; null: at once. */
  readonly heldBack: Promise<unknown> | null;
  /** Backups that are begun end as failed. */
  readonly backupsFail: boolean;
  /** A restore deletes what is there and then fills in nothing. */
  readonly restoresLoseAll: boolean;
}

export const NO_FAULTS: AccountFaults = {
  reject: null,
  hang: 0,
  loseReply: 0,
  heldBack: null,
  backupsFail: false,
  restoresLoseAll: false,
};
