import { isUtf8 } from 'node:buffer';
import { keyOf } from '../../snapshot/record.js';
import { classifyKey, type ClassifiedKey } from '../../soulcaster/keys.js';
import { memberListOf, type MemberList } from '../../soulcaster/member-lists.js';
import type { Mode, TargetRecord } from '../model.js';
import type { Action } from '../plan.js';
import { comparePages, type ComparedPage, type ComparisonContext } from './compare-pages.js';
import {
  allLines,
  memberPages,
  membersOf,
  NAME_BYTES,
  PAGE,
  type ListPage,
  type LivePage,
  type Member,
} from './members.js';
import { setExpiry, stagedAddition, writeAdditions, type Addition } from './write.js';

/** Pages and members that are compared with one request. */
const BATCH_PAGES = 200;
const BATCH_MEMBERS = 2 * PAGE;

/** The comparison of one list's members. */
export interface ListOutcome {
  readonly record: TargetRecord;
  readonly key: Buffer;
  readonly known: ClassifiedKey;
  /** By TYPE; `other` is a type that the family does not have, `unsavable` one that no snapshot can hold. */
  readonly live: LivePage['type'];
  /** Members that are missing, or whose score is replaced. */
  readonly lacking: number;
  /** Members present with another score, which the mode keeps. */
  readonly differ: number;
  /** Whether the list exists with another expiry. */
  readonly expiry: boolean;
  /** Whether a script adds the missing members: a name is not text, or there is more than a page. */
  readonly scripts: boolean;
}

/** How a list of the snapshot is united; null when the key is an ordinary value. */
export function listOf(key: Buffer, mode: Mode): { known: ClassifiedKey; list: MemberList } | null {
  if (mode === 'replace' || !isUtf8(key)) return null;
  const known = classifyKey(key.toString('utf8'));
  const list = memberListOf(known);
  return list === null ? null : { known, list };
}

export interface Uniter {
  /** Adds a list's record; its `rest` is read before this returns. */
  add(record: TargetRecord): Promise<void>;
  /** Processes the lists that are still batched. */
  finish(): Promise<void>;
}

interface Pending {
  readonly record: TargetRecord;
  readonly page: ListPage;
}

/**
 * Compares lists of a snapshot with the target; small ones share requests, and each result is passed to `report`. With
 * `stagedName`, missing members are written too, each list in one step.
 */
export function uniter(
  comparison: ComparisonContext,
  report: (outcome: ListOutcome) => void | Promise<void>,
  stagedName: (() => string) | null,
): Uniter {
  const { redis, mode } = comparison;
  let waiting: Pending[] = [];
  let [members, bytes] = [0, 0];

  /**
   * Sets the snapshot's expiry before anything is added: a list that expired in between would come back with only the
   * members it lacked. So these lists are compared again.
   */
  const withExpiry = async (compared: readonly ComparedPage[]): Promise<readonly ComparedPage[]> => {
    const others = mode === 'merge' ? compared.filter(({ expiry }) => expiry).map(({ page }) => page) : [];
    if (others.length === 0) return compared;
    await setExpiry(redis, others);
    const again = await comparePages(comparison, others);
    return compared.map((each) => (each.expiry ? { ...(again.shift() as ComparedPage), expiry: true } : each));
  };

  const additionOf = ({ page, add, live }: ComparedPage): Addition => ({
    page,
    add,
    expires: mode === 'merge' && !comparison.isItems,
    replaces: live.type === 'other',
    isNew: live.type === 'none',
  });

  const flush = async (): Promise<void> => {
    const batch = waiting;
    [waiting, members, bytes] = [[], 0, 0];
    let compared: readonly ComparedPage[] = await comparePages(
      comparison,
      batch.map(({ page }) => page),
    );
    if (stagedName !== null) {
      compared = await withExpiry(compared);
      await writeAdditions(redis, mode, compared.filter(({ add }) => add.length > 0).map(additionOf));
    }
    for (const [at, each] of compared.entries()) await report(outcomeOf(batch[at]?.record as TargetRecord, each));
  };

  const addLarge = async (record: TargetRecord): Promise<void> => {
    const staged = stagedName === null ? null : stagedAddition(redis, mode, stagedName());
    let [lacking, differ] = [0, 0];
    let first: ComparedPage | null = null;
    let isGone = false;
    for await (const page of pagesOf(record)) {
      let [compared] = await comparePages(comparison, [page]);
      if (compared !== undefined && first === null && staged !== null) [compared] = await withExpiry([compared]);
      if (compared === undefined) continue;
      first ??= compared;
      isGone ||= compared.live.type === 'none';
      lacking += compared.add.length;
      differ += compared.differ;
      await staged?.stage(page, compared.add);
    }
    if (first === null) return;
    await staged?.apply(additionOf(first));
    const outcome = { ...outcomeOf(record, first), lacking, differ, scripts: lacking > 0 };
    await report(isGone && outcome.live === 'list' ? { ...outcome, live: 'none' } : outcome);
  };

  return {
    async add(record) {
      const own = membersOf(record.first);
      if (record.rest !== null || [...memberPages(own)].length > 1) {
        await addLarge(record);
        return;
      }
      const page = pageOf(record, own);
      if (page === null || page.members.length === 0) return;
      waiting.push({ record, page });
      members += own.length;
      for (const { name } of own) bytes += name.length;
      if (waiting.length >= BATCH_PAGES || members >= BATCH_MEMBERS || bytes >= NAME_BYTES) await flush();
    },
    finish: () => (waiting.length === 0 ? Promise.resolve() : flush()),
  };
}

function outcomeOf(record: TargetRecord, { page, add, differ, expiry, live }: ComparedPage): ListOutcome {
  const { key, known } = page;
  const scripts = !add.every(({ name }) => isUtf8(name));
  return { record, key, known, live: live.type, lacking: add.length, differ, expiry, scripts };
}

function pageOf({ first }: TargetRecord, members: readonly Member[]): ListPage | null {
  const key = keyOf(first);
  const found = listOf(key, 'merge');
  return found === null ? null : { key, ...found, members, expiresAt: first.x };
}

/** Members left over from a line are joined with those of the next. */
async function* pagesOf(record: TargetRecord): AsyncGenerator<ListPage> {
  let members: Member[] = [];
  for await (const line of allLines(record.first, record.rest)) {
    const pages = [...memberPages([...members, ...membersOf(line)])];
    members = pages.pop() ?? [];
    for (const some of pages) {
      const page = pageOf(record, some);
      if (page !== null) yield page;
    }
  }
  const last = members.length === 0 ? null : pageOf(record, members);
  if (last !== null) yield last;
}

/** What the plan does with a list. */
export function listAction({ live, lacking, differ, expiry }: ListOutcome, mode: Mode): Action {
  if (live === 'unsavable') return mode === 'merge' ? 'blocked' : 'keep';
  if (live === 'other') return mode === 'merge' ? 'overwrite' : 'keep';
  if (live === 'none') return lacking > 0 ? 'write' : 'keep';
  if (lacking > 0 || (expiry && mode === 'merge')) return 'unite';
  return differ > 0 || expiry ? 'keep' : 'same';
}
