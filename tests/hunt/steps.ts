import fc from 'fast-check';

/** What a key's time is: none, far away, beyond what a double holds, over before long, or over at once. */
export type When = 'never' | 'far' | 'huge' | 'soon' | 'now';
export type Kind = 'string' | 'hash' | 'list' | 'set' | 'zset' | 'stream';

/** Changes to a database from outside the product. Keys are numbers of a small pool of names. */
export type DataStep =
  | { do: 'put'; key: number; kind: Kind; seed: number; size: number; when: When }
  | { do: 'fill'; count: number; seed: number; kind: Kind }
  | { do: 'del'; key: number }
  | { do: 'expire'; key: number; when: When }
  | { do: 'field-expire'; key: number; when: When }
  | { do: 'rename'; key: number; to: number }
  | { do: 'flush' }
  | { do: 'thin'; keep: number }
  | { do: 'unsupported'; key: number }
  | { do: 'project'; project: number; items: number; seed: number }
  | { do: 'drop-items'; project: number; count: number }
  | { do: 'restart' };

export type Fault = 'reset' | 'lose-reply' | 'error-503' | 'slow';

export type Second = 'backup' | 'restore' | 'drill' | 'prune' | 'replicate' | 'guard' | 'cancel' | 'unlock';

/** Something that happens at the n-th request of a command. */
export type Meddle =
  | { at: number; data: DataStep }
  | { at: number; fault: Fault; times: number }
  | { at: number; second: Second }
  | { at: number; tamper: TamperStep };

export type Mode = 'replace' | 'merge' | 'missing';

export interface RestoreOptions {
  /** 0: `latest`; else the n-th snapshot that there is. */
  of: number;
  mode: Mode;
  scope: 'all' | 'pa' | 'pb';
  ttl: 'keep' | 'shift' | 'drop';
  /** `--at` the moment the snapshot was finished, instead of its id. */
  byTime?: boolean;
  /** `--target standby`. */
  target?: boolean;
  /** `--replica`. */
  replica?: boolean;
}

export type Command =
  /** `queue`: over a queue that delivers late, twice and in any order. */
  | { run: 'backup'; queue?: number | undefined }
  | { run: 'backup-other' }
  /** `rehearsed`: after a dry run, which has to say what then happens. */
  | ({
      run: 'restore';
      safety: boolean;
      settle: boolean;
      queue?: number | undefined;
      rehearsed?: boolean;
    } & RestoreOptions)
  | ({ run: 'dry-run' } & RestoreOptions)
  | { run: 'undo' }
  | { run: 'drill' }
  | { run: 'verify'; of: number; replica?: boolean }
  | { run: 'prune'; replica?: boolean }
  | { run: 'accept'; of: number }
  | { run: 'adopt'; withdraw: boolean }
  | { run: 'adopt-unsigned' }
  | { run: 'replicate' }
  | { run: 'guard' }
  | { run: 'cancel' }
  | { run: 'unlock' };

export interface TamperStep {
  do: 'tamper';
  kind: ObjectKind;
  pick: number;
  how: 'corrupt' | 'truncate' | 'remove' | 'put-back' | 'forge' | 'empty';
  place?: 'store' | 'replica';
}

export type Step =
  | DataStep
  | (Command & { do: 'command'; meddle?: Meddle; skewSeconds?: number })
  /** A separate process, killed at its n-th request, or this many milliseconds after its start. */
  | (Command & { do: 'kill'; at: number; afterMs?: number })
  | TamperStep
  | { do: 'memory'; full: boolean }
  | { do: 'refuse'; command: string | null }
  /** BACKUP_SIGNING_KEY is set, or taken away. */
  | { do: 'key'; signed: boolean }
  | { do: 'audit' };

export type ObjectKind =
  | 'part'
  | 'manifest'
  | 'verification'
  | 'acceptance'
  | 'run'
  | 'lease'
  | 'guard'
  | 'catalog'
  | 'drill'
  | 'tombstone'
  | 'any';

/** What a whole sequence runs on. */
export interface Setting {
  readonly engine: number;
  readonly signed: boolean;
  readonly encrypted: boolean;
  readonly limit: number;
  readonly inFlight: number;
}

export interface Sequence {
  readonly setting: Setting;
  readonly steps: readonly Step[];
}

export const KEYS = 16;

const key = fc.nat({ max: KEYS - 1 });
const kind = fc.constantFrom<Kind>('string', 'hash', 'list', 'set', 'zset', 'stream');
const when = fc.oneof(
  { weight: 5, arbitrary: fc.constant<When>('never') },
  { weight: 2, arbitrary: fc.constantFrom<When>('far', 'soon') },
  { weight: 1, arbitrary: fc.constantFrom<When>('huge', 'now') },
);
const seed = fc.nat({ max: 9999 });
const project = fc.nat({ max: 1 });

const data: fc.Arbitrary<DataStep> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('put' as const),
      key,
      kind,
      seed,
      size: fc.constantFrom(1, 3, 8, 40, 700),
      when,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('fill' as const), count: fc.integer({ min: 5, max: 150 }), seed, kind }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('del' as const), key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('expire' as const), key, when }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('field-expire' as const), key, when }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rename' as const), key, to: key }) },
  { weight: 1, arbitrary: fc.constant({ do: 'flush' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('thin' as const), keep: fc.integer({ min: 2, max: 6 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unsupported' as const), key }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('project' as const),
      project,
      items: fc.integer({ min: 1, max: 12 }),
      seed,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('drop-items' as const), project, count: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
);

const at = fc.integer({ min: 1, max: 14 });
const tamper: fc.Arbitrary<TamperStep> = fc.record(
  {
    do: fc.constant('tamper' as const),
    kind: fc.constantFrom<ObjectKind>(
      ...(['part', 'part', 'manifest', 'verification', 'acceptance', 'run', 'lease'] as const),
      ...(['guard', 'catalog', 'drill', 'tombstone', 'any'] as const),
    ),
    pick: fc.nat({ max: 99 }),
    how: fc.constantFrom('corrupt', 'truncate', 'remove', 'put-back', 'forge', 'empty'),
    place: fc.constantFrom('store', 'store', 'store', 'replica'),
  },
  { requiredKeys: ['do', 'kind', 'pick', 'how'] },
);
const meddle: fc.Arbitrary<Meddle> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ at, data }) },
  {
    weight: 2,
    arbitrary: fc.record({
      at,
      fault: fc.constantFrom<Fault>('reset', 'lose-reply', 'error-503', 'slow'),
      times: fc.constantFrom(1, 3, 30),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      at,
      second: fc.constantFrom<Second>(
        ...(['backup', 'backup', 'restore', 'restore', 'drill', 'prune', 'replicate'] as const),
        ...(['guard', 'cancel', 'unlock'] as const),
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ at, tamper }) },
);

const of = fc.nat({ max: 7 });
const mostly = (share: number) => fc.nat({ max: 99 }).map((n) => n < share);
const queue = fc.oneof(
  { weight: 5, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 9999 }) },
);
const options = {
  of,
  mode: fc.constantFrom<Mode>('replace', 'replace', 'merge', 'missing'),
  scope: fc.constantFrom(...(['all', 'all', 'all', 'pa', 'pb'] as const)),
  ttl: fc.constantFrom('keep' as const, 'keep' as const, 'keep' as const, 'shift' as const, 'drop' as const),
  byTime: mostly(8),
  target: mostly(10),
  replica: mostly(8),
};

const restore = fc
  .record({
    run: fc.constant('restore' as const),
    ...options,
    safety: mostly(85),
    settle: mostly(50),
    queue,
    rehearsed: mostly(15),
  })
  .map(plainly);
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ run: fc.constant('backup' as const), queue }).map(plainly) },
  { weight: 1, arbitrary: fc.constant({ run: 'backup-other' as const }) },
  { weight: 7, arbitrary: restore },
  { weight: 2, arbitrary: fc.record({ run: fc.constant('dry-run' as const), ...options }).map(plainly) },
  { weight: 2, arbitrary: fc.constant({ run: 'undo' as const }) },
  { weight: 1, arbitrary: fc.constant({ run: 'drill' as const }) },
  { weight: 1, arbitrary: fc.record({ run: fc.constant('verify' as const), of, replica: mostly(20) }) },
  { weight: 1, arbitrary: fc.record({ run: fc.constant('prune' as const), replica: mostly(20) }) },
  { weight: 1, arbitrary: fc.record({ run: fc.constant('accept' as const), of }) },
  { weight: 1, arbitrary: fc.record({ run: fc.constant('adopt' as const), withdraw: mostly(30) }) },
  { weight: 1, arbitrary: fc.constant({ run: 'adopt-unsigned' as const }) },
  { weight: 2, arbitrary: fc.constant({ run: 'replicate' as const }) },
  { weight: 1, arbitrary: fc.constant({ run: 'guard' as const }) },
  { weight: 1, arbitrary: fc.constantFrom({ run: 'cancel' as const }, { run: 'unlock' as const }) },
);

/** Without what is not asked for, so that a sequence is short to read. */
function plainly<T extends object>(step: T): T {
  return Object.fromEntries(
    Object.entries(step).filter(
      ([name, value]) => value !== undefined && !(value === false && /^(byTime|target|replica|rehearsed)$/.test(name)),
    ),
  ) as T;
}

/** Steps that are chosen from, with their weight; `nasty` from 0 (data, backups, restores) to 3 (all there is). */
function steps(nasty: number): fc.Arbitrary<Step> {
  const plain = command.map((each): Step => ({ ...each, do: 'command' }));
  const meddled = fc.tuple(command, meddle).map(([each, what]): Step => ({ ...each, do: 'command', meddle: what }));
  const skewed = fc
    .tuple(command, fc.constantFrom(-70, 90, -4000, 4000, 31_536_000))
    .map(([each, skewSeconds]): Step => ({ ...each, do: 'command', skewSeconds }));
  const killed = fc
    .tuple(fc.oneof(fc.constant<Command>({ run: 'backup' }), restore), fc.integer({ min: 1, max: 30 }))
    .map(([each, n]): Step => ({ ...each, do: 'kill', at: n }));
  const late = fc
    .tuple(command, fc.integer({ min: 200, max: 900 }))
    .map(([each, afterMs]): Step => ({ ...each, do: 'kill', at: 0, afterMs }));
  const refuse = fc.constantFrom('hset', 'hgetall', 'scan', 'del', 'eval_ro', 'multi', 'pexpiretime', 'rename', null);
  return fc.oneof(
    { weight: 12, arbitrary: data },
    { weight: 10, arbitrary: plain },
    { weight: 1, arbitrary: fc.constant<Step>({ do: 'audit' }) },
    { weight: nasty >= 1 ? 8 : 0, arbitrary: meddled },
    { weight: nasty >= 2 ? 1 : 0, arbitrary: killed },
    { weight: nasty >= 2 ? 1 : 0, arbitrary: late },
    { weight: nasty >= 2 ? 2 : 0, arbitrary: skewed },
    { weight: nasty >= 3 ? 3 : 0, arbitrary: tamper },
    { weight: nasty >= 3 ? 1 : 0, arbitrary: fc.boolean().map((full): Step => ({ do: 'memory', full })) },
    { weight: nasty >= 3 ? 1 : 0, arbitrary: refuse.map((name): Step => ({ do: 'refuse', command: name })) },
    { weight: nasty >= 3 ? 1 : 0, arbitrary: fc.boolean().map((signed): Step => ({ do: 'key', signed })) },
  );
}

/** Most sequences begin with something that can be restored. */
const beginning: fc.Arbitrary<Step[]> = fc.oneof(
  { weight: 1, arbitrary: fc.constant<Step[]>([]) },
  {
    weight: 5,
    arbitrary: fc
      .tuple(fc.array(data, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 8 }), project, seed)
      .map(([some, items, which, number]): Step[] => [
        { do: 'project', project: which, items, seed: number },
        ...some,
        { do: 'command', run: 'backup' },
      ]),
  },
);

export function sequences(nasty: number): fc.Arbitrary<Sequence> {
  return fc.record({
    setting: fc.record({
      engine: fc.nat({ max: 2 }),
      signed: mostly(60),
      encrypted: mostly(25),
      limit: fc.constantFrom(10_485_760, 10_485_760, 60_000),
      inFlight: fc.constantFrom(1, 2, 4),
    }),
    steps: fc
      .tuple(beginning, fc.array(steps(nasty), { minLength: 5, maxLength: 22, size: 'max' }))
      .map(([first, rest]) => [...first, ...rest]),
  });
}
