import {expect, test} from 'vitest';
import type {Lane, Task, TaskEvent} from './api';
import {whyItWaits} from './waiting';

const NOW = Date.parse('2026-12-01T00:00:00Z');
const task = (given: Partial<Task>) => ({status: 'PENDING', kind: 'calls', attempt: 0, ...given}) as Task;
const lane = (given: Partial<Lane>) =>
  ({kind: 'calls', running: 0, waiting: 1, max_concurrent: 5, paused: false, yours: {waiting: 1}, ...given}) as Lane;
const why = (one: Task, queue?: Lane, events: TaskEvent[] = []) =>
  whyItWaits(one, queue, events, NOW).map((reason) => [reason.message, reason.values]);

test('a task that runs or has ended waits for nothing', () => {
  expect(why(task({status: 'RUNNING'}))).toEqual([]);
  expect(why(task({status: 'FAILED'}))).toEqual([]);
});

test('a later start is the reason, whatever the queue', () => {
  expect(why(task({run_after: '2026-12-01T01:00:00Z'}), lane({paused: true}))).toEqual([
    ['why.runAfter', {time: '2026-12-01T01:00:00Z'}],
  ]);
});

test('a paused or full queue, those ahead and other tenants are each said', () => {
  const queue = lane({paused: true, running: 5, waiting: 9, yours: {waiting: 2, scheduled: 0, running: 0}});
  expect(why(task({queue_position: 4}), queue)).toEqual([
    ['why.queuePaused', {kind: 'calls'}],
    ['why.queueFull', {running: 5, limit: 5}],
    ['why.ahead', {count: 3}],
    ['why.others', {count: 7}],
  ]);
});

test('nothing stands in its way', () => {
  expect(why(task({queue_position: 1}), lane({}))).toEqual([['why.next', {}]]);
});

test('an approval is asked for by its question', () => {
  const paused = task({status: 'PAUSED', error: {code: 'awaiting_approval', message: 'Publish it?'}});
  expect(whyItWaits(paused, undefined, [], NOW)).toEqual([
    {message: 'why.approval', values: {question: 'Publish it?'}, approval: true},
  ]);
});

test('a pause is explained by its event', () => {
  const event = {event: 'paused', detail: {reason: 'budget reached'}} as unknown as TaskEvent;
  expect(why(task({status: 'PAUSED'}), undefined, [event])).toEqual([['why.pausedFor', {reason: 'budget reached'}]]);
});
