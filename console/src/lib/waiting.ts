// Why a task does not run right now, from what the API says of it, of its queue and of its history.

import type {Lane, Task, TaskEvent} from './api';

export interface Reason {
  /** The name of a message, and what it speaks of. */
  message: string;
  values: Record<string, string | number>;
  /** Where more is to be seen. */
  link?: 'queues' | 'events';
  approval?: boolean;
}

export function whyItWaits(task: Task, lane: Lane | undefined, events: TaskEvent[], now: number): Reason[] {
  if (task.status === 'PAUSED') return [whyPaused(task, events)];
  if (task.status !== 'PENDING') return [];
  if (task.run_after && Date.parse(task.run_after) > now) {
    return [{message: 'why.runAfter', values: {time: task.run_after}}];
  }
  const reasons: Reason[] = [];
  if (lane?.paused) reasons.push({message: 'why.queuePaused', values: {kind: task.kind}, link: 'queues'});
  if (lane && lane.running >= lane.max_concurrent) {
    const values = {running: lane.running, limit: lane.max_concurrent};
    reasons.push({message: 'why.queueFull', values, link: 'queues'});
  }
  if (task.queue_position && task.queue_position > 1) {
    reasons.push({message: 'why.ahead', values: {count: task.queue_position - 1}, link: 'queues'});
    const others = lane ? lane.waiting - lane.yours.waiting : 0;
    if (others > 0) reasons.push({message: 'why.others', values: {count: others}});
  }
  if (task.attempt > 0) {
    const last = events.findLast((event) => ['retried', 'resumed', 'requeued', 'recovered'].includes(event.event));
    const reason = last?.detail?.reason;
    if (last && typeof reason === 'string') reasons.push({message: 'why.again', values: {reason}, link: 'events'});
  }
  return reasons.length ? reasons : [{message: 'why.next', values: {}}];
}

function whyPaused(task: Task, events: TaskEvent[]): Reason {
  if (task.error?.code === 'awaiting_approval') {
    return {message: 'why.approval', values: {question: task.error.message}, approval: true};
  }
  const event = events.findLast((event) => event.event === 'paused');
  const reason = task.error?.message ?? event?.detail?.reason;
  if (typeof reason === 'string') return {message: 'why.pausedFor', values: {reason}, link: 'events'};
  return {message: 'why.paused', values: {}, link: 'events'};
}
