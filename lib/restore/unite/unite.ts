import { isUtf8 } from 'node:buffer';
import { keyOf } from '../../snapshot/record.js';
import { classifyKey, type ClassifiedKey } from '../../soulcaster/keys.js';
import { memberListOf, type MemberList } from '../../soulcaster/member-lists.js';
import type { Mode, TargetRecord } from '../model.js';
import type { Action } from '../plan-counts.js';
import { comparePages, type ComparedPage, type ComparisonContext } from './compare-pages.js';
import { memberPages, membersOf, NAME_BYTES, PAGE, type ListPage, type LivePage, type Member } from './members.js';
import { setExpiry, stagedAddition, writeAdditions, type Addition } from './write.js';

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
  /** Whether the list is there with another expiry. */
  readonly expiry: boolean;
  /** Whether what is lacking is added by a script: a name that is no text, or more than a page. */
  readonly scripts: boolean;
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
  comparison: ComparisonContext,
  tell: (outcome: ListOutcome) => void | Promise<void>,
  stagedName: (() => string) | null,
): Uniter {
  const { redis, mode } = comparison;
  let waiting: Pending[] = [];
  let [members, bytes] = [0, 0];

  /**
   * Gives lists the snapshot's expiry before anything is added: one that expired in between would come back as what it
   * lacked alone. So they are judged once more.
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
    for (const [at, each] of compared.entries()) await tell(outcomeOf(batch[at]?.record as TargetRecord, each));
  };

  const seeLarge = async (record: TargetRecord): Promise<void> => {
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
      await staged?.gather(page, compared.add);
    }
    if (first === null) return;
    await staged?.take(additionOf(first));
    const outcome = { ...outcomeOf(record, first), lacking, differ, scripts: lacking > 0 };
    await tell(isGone && outcome.live === 'list' ? { ...outcome, live: 'none' } : outcome);
  };

  return {
    async see(record) {
      const own = membersOf(record.first);
      if (record.rest !== null || [...memberPages(own, nameOf)].length > 1) {
        await seeLarge(record);
        return;
      }
      const page = pageOf(record, own);
      if (page === null || page.members.length === 0) return;
      waiting.push({ record, page });
      members += own.length;
      for (const { name } of own) bytes += name.length;
      if (waiting.length >= BATCH_PAGES || members >= BATCH_MEMBERS || bytes >= NAME_BYTES) await flush();
    },
    end: () => (waiting.length === 0 ? Promise.resolve() : flush()),
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

/** What is left of a line's members goes with those of the next. */
async function* pagesOf(record: TargetRecord): AsyncGenerator<ListPage> {
  let members: Member[] = [];
  const lines = async function* () {
    yield record.first;
    yield* record.rest ?? [];
  };
  for await (const line of lines()) {
    const pages = [...memberPages([...members, ...membersOf(line)], nameOf)];
    members = pages.pop() ?? [];
    for (const some of pages) {
      const page = pageOf(record, some);
      if (page !== null) yield page;
    }
  }
  const last = members.length === 0 ? null : pageOf(record, members);
  if (last !== null) yield last;
}

function nameOf({ name }: Member): Buffer {
  return name;
}

/** What the plan says of a list. */
export function listAction({ live, lacking, differ, expiry }: ListOutcome, mode: Mode): Action {
  if (live === 'unsavable') return mode === 'merge' ? 'blocked' : 'keep';
  if (live === 'other') return mode === 'merge' ? 'overwrite' : 'keep';
  if (live === 'none') return lacking > 0 ? 'write' : 'keep';
  if (lacking > 0 || (expiry && mode === 'merge')) return 'unite';
  return differ > 0 || expiry ? 'keep' : 'same';
}
