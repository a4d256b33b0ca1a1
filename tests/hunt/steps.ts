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

/** Something that happens at the n-th request of a command. */
export type Meddle =
  | { at: number; data: DataStep }
  | { at: number; fault: Fault; times: number }
  | { at: number; second: 'backup' | 'restore' };

export type Command =
  | { run: 'backup' }
  | { run: 'backup-other' }
  | {
      run: 'restore';
      of: number;
      mode: 'replace' | 'merge' | 'missing';
      scope: 'all' | 'pa' | 'pb';
      ttl: 'keep' | 'shift' | 'drop';
      safety: boolean;
      settle: boolean;
    }
  | {
      run: 'dry-run';
      of: number;
      mode: 'replace' | 'merge' | 'missing';
      scope: 'all' | 'pa' | 'pb';
      ttl: 'keep' | 'shift' | 'drop';
    }
  | { run: 'undo' }
  | { run: 'drill' }
  | { run: 'verify'; of: number }
  | { run: 'prune' }
  | { run: 'accept'; of: number };

export type Step =
  | DataStep
  | (Command & { do: 'command'; meddle?: Meddle; skewSeconds?: number })
  /** A process of its own, killed at its n-th request, or so many milliseconds after its start. */
  | (Command & { do: 'kill'; at: number })
  | {
      do: 'tamper';
      kind: ObjectKind;
      pick: number;
      how: 'corrupt' | 'truncate' | 'remove' | 'put-back' | 'forge' | 'empty';
    }
  | { do: 'memory'; full: boolean }
  | { do: 'refuse'; command: string | null }
  | { do: 'audit' };

export type ObjectKind = 'part' | 'manifest' | 'verification' | 'run' | 'lease' | 'guard' | 'catalog' | 'drill' | 'any';

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

export const KEYS = 14;

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
  { weight: 1, arbitrary: fc.record({ at, second: fc.constantFrom('backup' as const, 'restore' as const) }) },
);

const of = fc.nat({ max: 7 });
const mode = fc.constantFrom('replace' as const, 'replace' as const, 'merge' as const, 'missing' as const);
const scope = fc.constantFrom('all' as const, 'all' as const, 'pa' as const, 'pb' as const);
const ttl = fc.constantFrom('keep' as const, 'keep' as const, 'keep' as const, 'shift' as const, 'drop' as const);
const mostly = (share: number) => fc.nat({ max: 99 }).map((n) => n < share);

const restore = fc.record({
  run: fc.constant('restore' as const),
  of,
  mode,
  scope,
  ttl,
  safety: mostly(85),
  settle: mostly(50),
});
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ run: 'backup' as const }) },
  { weight: 1, arbitrary: fc.constant({ run: 'backup-other' as const }) },
  { weight: 6, arbitrary: restore },
  { weight: 2, arbitrary: fc.record({ run: fc.constant('dry-run' as const), of, mode, scope, ttl }) },
  { weight: 2, arbitrary: fc.constant({ run: 'undo' as const }) },
  { weight: 1, arbitrary: fc.constant({ run: 'drill' as const }) },
  { weight: 1, arbitrary: fc.record({ run: fc.constant('verify' as const), of }) },
  { weight: 1, arbitrary: fc.constant({ run: 'prune' as const }) },
  { weight: 1, arbitrary: fc.record({ run: fc.constant('accept' as const), of }) },
);

const objectKind = fc.constantFrom<ObjectKind>(
  'part',
  'manifest',
  'verification',
  'run',
  'lease',
  'guard',
  'catalog',
  'drill',
  'any',
);

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
  const tamper = fc.record({
    do: fc.constant('tamper' as const),
    kind: objectKind,
    pick: fc.nat({ max: 99 }),
    how: fc.constantFrom(
      'corrupt' as const,
      'truncate' as const,
      'remove' as const,
      'put-back' as const,
      'forge' as const,
      'empty' as const,
    ),
  });
  const refuse = fc.constantFrom('hset', 'hgetall', 'scan', 'del', 'eval_ro', 'multi', 'pexpiretime', 'rename', null);
  return fc.oneof(
    { weight: 12, arbitrary: data },
    { weight: 10, arbitrary: plain },
    { weight: 1, arbitrary: fc.constant<Step>({ do: 'audit' }) },
    { weight: nasty >= 1 ? 8 : 0, arbitrary: meddled },
    { weight: nasty >= 2 ? 1 : 0, arbitrary: killed },
    { weight: nasty >= 2 ? 2 : 0, arbitrary: skewed },
    { weight: nasty >= 3 ? 3 : 0, arbitrary: tamper },
    { weight: nasty >= 3 ? 1 : 0, arbitrary: fc.boolean().map((full): Step => ({ do: 'memory', full })) },
    { weight: nasty >= 3 ? 1 : 0, arbitrary: refuse.map((name): Step => ({ do: 'refuse', command: name })) },
  );
}

export function sequences(nasty: number): fc.Arbitrary<Sequence> {
  return fc.record({
    setting: fc.record({
      engine: fc.nat({ max: 2 }),
      signed: mostly(60),
      encrypted: mostly(25),
      limit: fc.constantFrom(10_485_760, 10_485_760, 60_000),
      inFlight: fc.constantFrom(1, 2, 4),
    }),
    steps: fc.array(steps(nasty), { minLength: 6, maxLength: 24, size: 'max' }),
  });
}
