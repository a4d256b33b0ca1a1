import { isUtf8 } from 'node:buffer';
import { keyOf } from '../../snapshot/record.js';
import { classifyKey, type ClassifiedKey } from '../../soulcaster/keys.js';
import { memberListOf, type MemberList } from '../../soulcaster/member-lists.js';
import type { Mode, TargetRecord } from '../model.js';
import type { Action } from '../plan-counts.js';
import { judgePages, type Judged, type Judgement } from './judge.js';
import { membersOf, PAGE, type ListPage, type LivePage, type Member } from './members.js';
import { additionCommands, send, stagedAddition, type Addition } from './write.js';

/** Pages and members that are judged with one request. */
const BATCH_PAGES = 200;
const BATCH_MEMBERS = 2 * PAGE;

/** What the members of one list come to. */
export interface ListOutcome {
  readonly record: TargetRecord;
  readonly key: Buffer;
  readonly known: ClassifiedKey;
  /** As TYPE has it; `other` is none that the family has, `unsavable` one that no snapshot can hold. */
  readonly live: LivePage['type'];
  /** Members that lack, or that have another score than they get. */
  readonly lacking: number;
  /** Members that are there with another score, which the mode leaves. */
  readonly differ: number;
}

/** How a list of the snapshot is to be united, or null when the key is a value like any other. */
export function listOf(key: Buffer, mode: Mode): { known: ClassifiedKey; list: MemberList } | null {
  if (mode === 'replace' || !isUtf8(key)) return null;
  const known = classifyKey(key.toString('utf8'));
  const list = memberListOf(known);
  return list === null ? null : { known, list };
}

export interface Uniter {
  /** Takes a list's record; its `rest` is read before this returns. */
  see(record: TargetRecord): Promise<void>;
  /** Ends what is still gathered. */
  end(): Promise<void>;
}

interface Pending {
  readonly record: TargetRecord;
  readonly page: ListPage;
}

/**
 * Judges lists of a snapshot against the target; small ones share requests, and each is told of to `tell`. With
 * `stagedName` what is lacking is written as well, each list at once.
 */
export function uniter(
  judgement: Judgement,
  tell: (outcome: ListOutcome) => void | Promise<void>,
  stagedName: (() => string) | null,
): Uniter {
  const { redis, mode } = judgement;
  let waiting: Pending[] = [];
  let members = 0;

  const flush = async (): Promise<void> => {
    const batch = waiting;
    [waiting, members] = [[], 0];
    const judged = await judgePages(
      judgement,
      batch.map(({ page }) => page),
    );
    if (stagedName !== null) {
      const additions = judged.map((each, at) => additionOf(each, batch[at]?.record as TargetRecord));
      await send(
        redis,
        additions.flatMap((addition) => (addition.add.length === 0 ? [] : additionCommands(mode, addition))),
      );
    }
    for (const [at, each] of judged.entries()) await tell(outcomeOf(batch[at]?.record as TargetRecord, each));
  };

  const seeLarge = async (record: TargetRecord): Promise<void> => {
    const staged = stagedName === null ? null : stagedAddition(redis, mode, stagedName());
    let [lacking, differ] = [0, 0];
    let first: Judged | null = null;
    for await (const page of pagesOf(record)) {
      const [judged] = await judgePages(judgement, [page]);
      if (judged === undefined) continue;
      first ??= judged;
      lacking += judged.add.length;
      differ += judged.differ;
      await staged?.gather(page, judged.add);
    }
    if (first === null) return;
    await staged?.take(additionOf(first, record));
    await tell({ ...outcomeOf(record, first), lacking, differ });
  };

  return {
    async see(record) {
      if (record.rest !== null || membersOf(record.first).length > PAGE) {
        await seeLarge(record);
        return;
      }
      const page = pageOf(record, membersOf(record.first));
      if (page === null || page.members.length === 0) return;
      waiting.push({ record, page });
      members += page.members.length;
      if (waiting.length >= BATCH_PAGES || members >= BATCH_MEMBERS) await flush();
    },
    end: () => (waiting.length === 0 ? Promise.resolve() : flush()),
  };
}

function additionOf({ page, add, live }: Judged, { first }: TargetRecord): Addition {
  return { page, add, expiresAt: first.x, replaces: live.type === 'other', isNew: live.type === 'none' };
}

function outcomeOf(record: TargetRecord, { page, add, differ, live }: Judged): ListOutcome {
  const { key, known } = page;
  return { record, key, known, live: live.type, lacking: add.length, differ };
}

function pageOf({ first }: TargetRecord, members: readonly Member[]): ListPage | null {
  const key = keyOf(first);
  const found = listOf(key, 'merge');
  return found === null ? null : { key, ...found, members };
}

async function* pagesOf(record: TargetRecord): AsyncGenerator<ListPage> {
  let members: Member[] = [];
  const lines = async function* () {
    yield record.first;
    yield* record.rest ?? [];
  };
  for await (const line of lines()) {
    members.push(...membersOf(line));
    for (; members.length >= PAGE; members = members.slice(PAGE)) {
      const page = pageOf(record, members.slice(0, PAGE));
      if (page !== null) yield page;
    }
  }
  const last = members.length === 0 ? null : pageOf(record, members);
  if (last !== null) yield last;
}

/** What the plan says of a list. */
export function listAction({ live, lacking, differ }: ListOutcome, mode: Mode): Action {
  if (live === 'unsavable') return mode === 'merge' ? 'blocked' : 'keep';
  if (live === 'other') return mode === 'merge' ? 'overwrite' : 'keep';
  if (live === 'none') return lacking > 0 ? 'write' : 'keep';
  if (lacking > 0) return 'unite';
  return differ > 0 ? 'keep' : 'same';
}
