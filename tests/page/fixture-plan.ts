const TALLY = { write: 60, overwrite: 4, unite: 0, fail: 0, same: 312, keep: 0, blocked: 0, expired: 0, remove: 1 };
const NONE = { ...TALLY, write: 0, overwrite: 0, remove: 0 };

/** The result of a dry run of the project. */
export const PLAN = {
  total: TALLY,
  byFamily: { feedback: { ...TALLY, same: 200 }, cluster: { ...NONE, same: 100 }, project: { ...NONE, same: 12 } },
  examples: [{ action: 'remove', key: 'feedback:cm3k8x2p40001l508acme:1f0c' }],
  usersJoined: 1,
};
