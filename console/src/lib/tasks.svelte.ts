// The list of tasks as the page shows it. Rows are where they were put until the person asks for others: what changes is
// changed in its row, and what is new is counted.

import {ask, ApiError, client, type Summary} from './api';
import {apiQuery, frozen, matches, type Filter} from './filter';
import type {Notice} from './live.svelte';

export interface Row extends Summary {
  stage?: string | null;
  current_step?: string | null;
  /** It has changed, and does not match the filter any more. */
  left?: boolean;
}

const PAGE = 100;
export const MOST_NEW = 1000; // what is counted, so that a page that is left open for a day keeps no more
const HINTS = new Set(['longhaul.task.progress', 'longhaul.task.state']);

export class TaskList {
  total: number | null = $state(null);
  /** There are more than `total`, which the API counts to a bound. */
  beyond = $state(false);
  state: 'loading' | 'ready' | 'failed' = $state('loading');
  loadingMore = $state(false);
  error: unknown = $state.raw(null);
  asOf = $state(0);
  /** How many tasks have come to the list since it was read; MOST_NEW stands for as many or more. */
  waiting = $state(0);
  next: string | null = $state(null);

  // One array, changed in place: a copy of 100,000 rows for each notice would be most of what there is to collect.
  readonly #rows: Row[] = [];
  #changes = $state(0);
  #filter: Filter | undefined;
  #at = new Map<string, number>();
  #new = new Set<string>();
  #load: AbortController | undefined;

  get rows(): readonly Row[] {
    void this.#changes;
    return this.#rows;
  }

  async load(filter: Filter): Promise<void> {
    this.#load?.abort();
    const control = (this.#load = new AbortController());
    this.#filter = filter;
    this.state = 'loading';
    this.error = null;
    try {
      const page = await this.#page({page: 1}, control.signal);
      this.#at.clear();
      this.#new.clear();
      this.#rows.length = 0;
      this.#add(page.items);
      this.total = page.total;
      this.beyond = page.more ?? false;
      this.next = page.next_cursor ?? null;
      this.waiting = 0;
      this.asOf = Date.now();
      this.state = 'ready';
    } catch (error) {
      if (control.signal.aborted) return;
      this.error = error;
      this.state = 'failed';
    }
  }

  async more(): Promise<void> {
    if (!this.next || this.loadingMore || this.state !== 'ready') return;
    this.loadingMore = true;
    const control = this.#load;
    try {
      const page = await this.#page({cursor: this.next}, control?.signal);
      if (control !== this.#load) return;
      this.#add(page.items);
      this.next = page.next_cursor ?? null;
      this.error = null;
    } catch (error) {
      if (control === this.#load) this.error = error;
    } finally {
      this.loadingMore = false;
    }
  }

  /** Read the first page again and put what is known in its place: nothing moves. */
  async peek(): Promise<void> {
    if (this.state === 'failed' && this.#filter) return this.load(this.#filter);
    if (this.state !== 'ready') return;
    const control = this.#load;
    try {
      const page = await this.#page({page: 1}, control?.signal);
      if (control !== this.#load) return;
      for (const item of page.items) {
        const at = this.#at.get(item.task_id);
        if (at === undefined) this.#isNew(item.task_id);
        else this.#rows[at] = {...this.#rows[at], ...item};
      }
      this.#changes += 1;
      this.waiting = this.#new.size;
      this.asOf = Date.now();
      this.error = null;
    } catch (error) {
      if (control === this.#load && !(error instanceof ApiError && error.offline)) this.error = error;
    }
  }

  hear(notice: Notice): void {
    const {data} = notice;
    const at = this.#at.get(data.task_id);
    if (at !== undefined) {
      const before = this.#rows[at] as Row;
      const {title, status, progress, stage, current_step} = data;
      const row = {...before, title, status, progress, stage, current_step, updated_at: notice.time};
      row.left = this.#filter ? matches(this.#filter, row) === false : false;
      this.#rows[at] = row;
      this.#changes += 1;
      return;
    }
    if (HINTS.has(notice.type) || !this.#filter || this.state !== 'ready') return;
    if (matches(this.#filter, data) === false) return;
    this.#isNew(data.task_id);
    this.waiting = this.#new.size;
  }

  #isNew(id: string): void {
    if (this.#new.size < MOST_NEW) this.#new.add(id);
  }

  #add(items: Summary[]): void {
    for (const item of items) {
      if (this.#at.has(item.task_id)) continue; // it has moved between two pages
      this.#at.set(item.task_id, this.#rows.length);
      this.#rows.push(item);
    }
    this.#changes += 1;
  }

  async #page(where: {page?: number; cursor?: string}, signal?: AbortSignal) {
    const filter = frozen(this.#filter as Filter, Date.now());
    const query = {...apiQuery(filter), ...where, page_size: PAGE};
    return ask(client().GET('/api/v1/tasks/summary', {params: {query}, ...(signal ? {signal} : {})}));
  }
}
