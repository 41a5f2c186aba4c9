// One task, kept as it is: what the socket tells is shown at once, and the whole is read again behind it.

import {answered, ApiError, ask, client, type Step, type Task, type TaskEvent} from './api';
import {live, type Notice} from './live.svelte';
import {barOf} from './timeline';

const SOON_MS = 700;
const POLL_MS = 5000;
const STEPS = 1000;
const FIRST_STEPS = 10_000;

export class OneTask {
  task: Task | undefined = $state.raw();
  tag: string | undefined;
  error: unknown = $state.raw(null);
  asOf = $state(0);
  events: TaskEvent[] = $state.raw([]);
  moreEvents = $state(false);
  steps: Step[] = $state.raw([]);
  /** Where the steps go on that were not read yet. */
  moreSteps: string | null = $state(null);
  readsOn = $state(false);
  stepsState: 'loading' | 'ready' | 'failed' = $state('loading');
  failed: Step[] = $state.raw([]);
  moreFailed = $state(false);

  #timer = 0;
  #poll = 0;
  #ends: (() => void)[] = [];
  #wanted = FIRST_STEPS;
  #busy = false;
  #again = false;
  #over = false;
  readonly #id: string;

  constructor(id: string) {
    this.#id = id;
  }

  start(): () => void {
    void this.load();
    this.#ends = [live.onNotice((notice) => this.#hear(notice)), live.onReset(() => this.#soon())];
    this.#poll = window.setInterval(() => live.state !== 'live' && this.#soon(), POLL_MS);
    return () => {
      this.#over = true;
      clearTimeout(this.#timer);
      clearInterval(this.#poll);
      for (const end of this.#ends) end();
    };
  }

  /** Read all again. Asked while it reads, it reads once more behind that. */
  async load(): Promise<void> {
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    try {
      const {data, headers} = await answered(client().GET('/api/v1/tasks/{task_id}', {params: {path: {task_id: this.#id}}}));
      this.task = data;
      this.tag = headers.get('etag') ?? undefined;
      this.asOf = Date.now();
      this.error = null;
      await Promise.all([this.#readEvents(), this.#readSteps(), this.#readFailed()]);
    } catch (error) {
      // Without a network what was read still stands, and the strip above says so.
      if (!(error instanceof ApiError && error.offline && this.task)) this.error = error;
    } finally {
      this.#busy = false;
      if (this.#again) {
        this.#again = false;
        this.#soon();
      }
    }
  }

  show(task: Task | undefined): void {
    if (!task) return;
    this.task = {...task, params: task.params ?? this.task?.params ?? null};
    this.#soon();
  }

  /** Read on to the last step. What is read anew later, is read as far. */
  async loadMoreSteps(): Promise<void> {
    if (this.readsOn) return;
    this.readsOn = true;
    try {
      while (this.moreSteps && !this.#over) {
        this.#wanted = this.steps.length + FIRST_STEPS;
        await this.#readSteps(this.moreSteps);
      }
    } catch (error) {
      this.error = error;
    } finally {
      this.readsOn = false;
    }
  }

  #hear(notice: Notice): void {
    if (notice.subject !== this.#id) return;
    if (this.task) {
      const {status, attempt, progress, stage, current_step, title} = notice.data;
      this.task = {...this.task, status, attempt, progress, stage, current_step, title, updated_at: notice.time};
      this.asOf = Date.now();
    }
    this.#soon();
  }

  #soon(): void {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.load(), SOON_MS);
  }

  async #readEvents(): Promise<void> {
    const params = {path: {task_id: this.#id}, query: {limit: 1000}};
    const page = await ask(client().GET('/api/v1/tasks/{task_id}/events', {params}));
    this.events = page.items;
    this.moreEvents = Boolean(page.next_cursor);
  }

  /** Read the steps anew, or those that come after what was read. */
  async #readSteps(from: string | null = null): Promise<void> {
    try {
      const steps: Step[] = from ? [...this.steps] : [];
      let cursor = from;
      do {
        const query = {limit: STEPS, ...(cursor ? {cursor} : {})};
        const page = await ask(client().GET('/api/v1/tasks/{task_id}/steps', {params: {path: {task_id: this.#id}, query}}));
        for (const step of page.items) barOf(step); // a page at a time: all at once would hold up a frame
        steps.push(...page.items);
        cursor = page.next_cursor ?? null;
      } while (cursor && steps.length < this.#wanted);
      this.steps = steps;
      this.moreSteps = cursor;
      this.stepsState = 'ready';
    } catch (error) {
      this.stepsState = this.steps.length ? 'ready' : 'failed';
      throw error;
    }
  }

  async #readFailed(): Promise<void> {
    const query = {status: ['FAILED'] as never, limit: 1000};
    const page = await ask(client().GET('/api/v1/tasks/{task_id}/steps', {params: {path: {task_id: this.#id}, query}}));
    this.failed = page.items;
    this.moreFailed = Boolean(page.next_cursor);
  }
}

export interface Attempt {
  attempt: number;
  began: string;
  reason: string;
  ended: string | null;
  outcome: string;
  steps: number;
}

/** What each attempt of a task did, from its history and its steps. */
export function attemptsOf(events: TaskEvent[], steps: Step[]): Attempt[] {
  const found = new Map<number, Attempt>();
  let reason = '';
  for (const event of events) {
    const why = event.detail?.reason ?? event.detail?.code;
    if (event.event === 'started') {
      const done = steps.filter((step) => step.attempt === event.attempt && step.finished_at).length;
      found.set(event.attempt, {attempt: event.attempt, began: event.at, reason, ended: null, outcome: 'RUNNING', steps: done});
      continue;
    }
    if (['retried', 'resumed', 'requeued', 'recovered'].includes(event.event)) {
      reason = typeof why === 'string' ? why : event.event;
    }
    const attempt = found.get(event.attempt);
    if (attempt && attempt.ended === null && event.status !== 'RUNNING') {
      attempt.ended = event.at;
      attempt.outcome = event.event === 'requeued' || event.event === 'recovered' ? event.event : event.status;
    }
  }
  return [...found.values()];
}
