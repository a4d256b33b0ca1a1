import type { Faults } from '../faults.js';

/** A request to the stand-in, as predicates of faults see it. */
export interface AccountRequest {
  readonly method: string;
  /** `list-backup`, `create-backup`, `database`, ... */
  readonly endpoint: string;
}

export interface AccountFaults extends Faults<AccountRequest> {
  /** Backups and restores wait until this resolves; null: no wait. */
  readonly heldBack: Promise<unknown> | null;
  /** New backups end as failed. */
  readonly backupsFail: boolean;
  /** A restore deletes all data and restores nothing. */
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
