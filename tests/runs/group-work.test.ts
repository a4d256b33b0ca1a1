import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AppError } from '../../lib/errors.js';
import type { Queue, QueueMessage } from '../../lib/ports/queue.js';
import { cutGroups, parseMessage, publishRest, type RunMessage, tasksOf } from '../../lib/runs/messages.js';
import type { TaskPhase } from '../../lib/runs/model.js';
import fc from '../support/fast-check.js';
import { type Bench, openBench, SUM } from './bench.js';

let bench: Bench;

/** Seven tasks in groups of 4, 2 and 1. */
beforeEach(async () => {
  bench = await openBench(0, { parallelism: 1, group: 4 });
});

afterEach(() => bench.folder.remove());

type TaskMessage = Extract<RunMessage, { phase: string }>;

const isOfTasks = (message: RunMessage): message is TaskMessage => 'task' in message;

function waitingTasks(): TaskMessage[] {
  return bench.takeAll().map(parseMessage).filter(isOfTasks);
}

/** Works on a new run until its tasks are published. */
async function publishRun(): Promise<{ id: string; messages: TaskMessage[] }> {
  const id = await bench.start();
  for (let run = await bench.load(id); run.phase !== 'work';) run = await bench.engine.work(id, bench.budget());
  return { id, messages: waitingTasks() };
}

const deliver = (message: TaskMessage, deadline?: number) =>
  bench.engine.deliver(JSON.stringify(message), bench.budget(deadline === undefined ? {} : { deadline }));

function failAt(point: string): void {
  bench.fault = (at) => {
    if (at === point) throw new AppError('redis-unavailable', 'down', { hint: '', transient: true });
  };
}

const tasksDone = (): string[] => bench.did.filter((what) => what.startsWith('task'));

describe('tasks that come in groups', () => {
  it('are done group by group, one message each, and the run continues after the last', async () => {
    const { id, messages } = await publishRun();
    expect(messages.map(({ task, count }) => [task, count])).toEqual([
      [0, 4],
      [4, 2],
      [6, 1],
    ]);
    for (const message of messages) await deliver(message);
    expect(await bench.load(id)).toMatchObject({ state: 'succeeded', result: SUM });
    expect(tasksDone()).toHaveLength(7);
  });

  it('continue after a failure in a separate message', async () => {
    const { id, messages } = await publishRun();
    const [first] = messages;
    if (first === undefined) throw new Error('nothing was published');
    failAt('task 2');
    await deliver(first);
    bench.fault = () => undefined;
    const [rest, ...others] = waitingTasks();
    expect([rest, others]).toEqual([{ run: id, phase: 'work', task: 2, count: 2 }, []]);
    for (const message of [...messages.slice(1), rest ?? first]) await deliver(message);
    expect(await bench.load(id)).toMatchObject({ state: 'succeeded', result: SUM });
    expect(tasksDone().sort()).toEqual([0, 1, 2, 2, 3, 4, 5, 6].map((task) => `task ${task}`));
  });

  it('leave the retry to the queue when the first task fails', async () => {
    const { messages } = await publishRun();
    failAt('task 0');
    await expect(deliver(messages[0] as TaskMessage)).rejects.toMatchObject({ code: 'redis-unavailable' });
    expect(waitingTasks()).toEqual([]);
    expect(tasksDone()).toEqual(['task 0']);
  });

  it('are published again when time is up, after at least one was done', async () => {
    const { id, messages } = await publishRun();
    await deliver(messages[0] as TaskMessage, bench.clock.now());
    expect(tasksDone()).toEqual(['task 0']);
    expect(waitingTasks()).toEqual([{ run: id, phase: 'work', task: 1, count: 3 }]);
  });

  it('are done once when their message is delivered twice', async () => {
    const { id, messages } = await publishRun();
    for (const message of [...messages, ...messages]) await deliver(message);
    expect(await bench.load(id)).toMatchObject({ state: 'succeeded', result: SUM });
    expect(tasksDone()).toHaveLength(7);
  });
});

describe('the rest of a group', () => {
  it('is delayed as a service asked for, with a new deduplication id each time', async () => {
    const sent: QueueMessage[] = [];
    const queue = { publish: (messages: readonly QueueMessage[]) => Promise.resolve(void sent.push(...messages)) };
    const { id } = await publishRun();
    const phase = { parallelism: 1 } as TaskPhase;
    const run = await bench.load(id);
    await publishRest({ queue: queue as Queue }, phase, run, [2, 5], 1500);
    await publishRest({ queue: queue as Queue }, phase, run, [2], 0);
    expect(sent.map(({ delaySeconds }) => delaySeconds)).toEqual([2, 0]);
    expect(sent.map(({ body }) => JSON.parse(body) as object)).toMatchObject([
      { task: 2, count: 4 },
      { task: 2, count: 1 },
    ]);
    expect(new Set(sent.map(({ deduplicationId }) => deduplicationId)).size).toBe(2);
  });
});

describe('an attempt in a phase of tasks', () => {
  it('publishes the same groups again only when no task was done since the last attempt', async () => {
    const { id, messages } = await publishRun();
    await deliver(messages[1] as TaskMessage);
    await bench.engine.work(id, bench.budget());
    expect(waitingTasks()).toEqual([]);
    await bench.engine.work(id, bench.budget());
    expect(waitingTasks()).toEqual([messages[0], messages[2]]);
  });
});

const cases = fc.tuple(fc.nat({ max: 3000 }), fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 40 }));

describe('groups of tasks', () => {
  it('hold every task once, in order, and never exceed the limit', () => {
    fc.assert(
      fc.property(cases, ([tasks, workers, most]) => {
        const groups = cutGroups(tasks, workers, most);
        expect(groups.flatMap(tasksOf)).toEqual(Array.from({ length: tasks }, (_, task) => task));
        expect(groups.every(({ count }) => count >= 1 && count <= most)).toBe(true);
      }),
    );
  });

  it('never grow toward the end, and the last are of one task', () => {
    fc.assert(
      fc.property(cases, ([tasks, workers, most]) => {
        const counts = cutGroups(tasks, workers, most).map(({ count }) => count);
        expect(counts).toEqual([...counts].sort((a, b) => b - a));
        if (tasks > 0) expect(counts.at(-1)).toBe(1);
      }),
    );
  });

  it('leave no worker idle while others have many tasks left', () => {
    expect(cutGroups(20, 10, 25).every(({ count }) => count === 1)).toBe(true);
    expect(cutGroups(1000, 10, 25).length).toBeLessThan(120);
  });
});
