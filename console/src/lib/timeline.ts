// What a timeline of steps shows: each step as a bar where they are few, and where they are many how many worked at a
// time. Zooming in leads from one to the other. Times are milliseconds.

import type {Step} from './api';
import {DURATIONS} from './axes';

export const MAX_BARS = 150;
export const LEAST = 10; // the shortest window

export interface Window {
  from: number;
  until: number;
}

export interface Bar {
  step: Step;
  /** When it was planned: it has waited from then on. */
  planned: number;
  started: number | null;
  ended: number | null;
}

export interface Column {
  from: number;
  until: number;
  /** The mean number of steps that worked in this time. */
  working: number;
  succeeded: number;
  failed: number;
}

export interface Band {
  level: string;
  steps: number;
  columns: Column[];
}

const known = new WeakMap<Step, Bar>();

/** Return a step's bar, which is made once: its times are parsed then. */
export function barOf(step: Step): Bar {
  let bar = known.get(step);
  if (!bar) {
    const planned = Date.parse(step.created_at);
    const started = step.started_at ? Date.parse(step.started_at) : null;
    const ended = step.finished_at ? Date.parse(step.finished_at) : null;
    bar = {step, planned: Math.min(planned, started ?? planned), started, ended};
    known.set(step, bar);
  }
  return bar;
}

/** The time from the first step's plan to the last one's end, or now. */
export function extent(bars: Bar[], now: number): Window {
  let [from, until] = [Infinity, -Infinity];
  for (const bar of bars) {
    from = Math.min(from, bar.planned);
    until = Math.max(until, bar.ended ?? (bar.step.status === 'RUNNING' ? now : (bar.started ?? bar.planned)));
  }
  if (from === Infinity) return {from: now - 1000, until: now};
  return {from, until: Math.max(until, from + 1000)};
}

/** The steps that waited, worked or ended within the window. */
export function within(bars: Bar[], window: Window): Bar[] {
  return bars.filter((bar) => bar.planned <= window.until && (bar.ended ?? Infinity) >= window.from);
}

/** Sum up each level's steps in the given number of columns of the window. The time it takes is not that of the columns under each step. */
export function bandsOf(bars: Bar[], window: Window, count: number, now: number): Band[] {
  const width = (window.until - window.from) / count;
  const levels = new Map<string, Sums>();
  for (const bar of bars) {
    const {level} = bar.step;
    let sums = levels.get(level);
    if (!sums) levels.set(level, (sums = new Sums(count)));
    const until = bar.ended ?? (bar.step.status === 'RUNNING' ? now : bar.started);
    sums.steps += 1;
    if (bar.started !== null && until !== null) sums.work((bar.started - window.from) / width, (until - window.from) / width);
    if (bar.ended !== null && bar.ended >= window.from && bar.ended <= window.until) {
      const at = Math.min(count - 1, Math.floor((bar.ended - window.from) / width));
      const sum = bar.step.status === 'FAILED' ? sums.failed : sums.succeeded;
      sum[at] = (sum[at] ?? 0) + 1;
    }
  }
  return [...levels].map(([level, sums]) => ({level, steps: sums.steps, columns: sums.columns(window.from, width)}));
}

/** What the steps of a level did in each column. */
class Sums {
  steps = 0;
  readonly succeeded: Float64Array;
  readonly failed: Float64Array;
  // What works in a column, and how many more work throughout each column than in the one before.
  readonly #partly: Float64Array;
  readonly #more: Float64Array;

  constructor(readonly count: number) {
    this.succeeded = new Float64Array(count);
    this.failed = new Float64Array(count);
    this.#partly = new Float64Array(count);
    this.#more = new Float64Array(count + 1);
  }

  /** Add a step that worked from one place to another, in columns. */
  work(from: number, until: number): void {
    const [begin, end] = [Math.max(0, from), Math.min(this.count, until)];
    if (begin >= end) return;
    const [first, last] = [Math.floor(begin), Math.floor(end)];
    if (first === last) return this.#add(this.#partly, first, end - begin);
    this.#add(this.#partly, first, first + 1 - begin);
    if (last < this.count) this.#add(this.#partly, last, end - last);
    this.#add(this.#more, first + 1, 1);
    this.#add(this.#more, last, -1);
  }

  columns(begin: number, width: number): Column[] {
    let throughout = 0;
    return Array.from({length: this.count}, (_, at) => {
      throughout += this.#more[at] ?? 0;
      return {
        from: begin + at * width,
        until: begin + (at + 1) * width,
        working: throughout + (this.#partly[at] ?? 0),
        succeeded: this.succeeded[at] ?? 0,
        failed: this.failed[at] ?? 0,
      };
    });
  }

  #add(sums: Float64Array, at: number, value: number): void {
    sums[at] = (sums[at] ?? 0) + value;
  }
}

export interface Marks {
  /** The distance between two marks. */
  size: number;
  at: number[];
}

/** Marks within the window, a round distance apart and from the beginning, of which about `count` fit. */
export function ticks(window: Window, begin: number, count: number): Marks {
  const wanted = (window.until - window.from) / 1000 / count;
  const size = (DURATIONS.find((size) => size >= wanted) ?? wanted) * 1000;
  const marks = {size, at: [] as number[]};
  for (let n = Math.ceil((window.from - begin) / size); begin + n * size <= window.until; n += 1) marks.at.push(begin + n * size);
  return marks;
}

/** The window that remains after zooming by a factor around a point, within what there is. */
export function zoomed(window: Window, whole: Window, factor: number, around: number): Window {
  const length = Math.min((window.until - window.from) * factor, whole.until - whole.from);
  const share = (around - window.from) / (window.until - window.from);
  const from = Math.max(whole.from, Math.min(around - share * length, whole.until - length));
  return {from, until: from + Math.max(length, LEAST)};
}

export interface ErrorGroup {
  code: string;
  pattern: string;
  sample: string;
  labels: string[];
  count: number;
  attempts: number;
  last: string | null;
}

/** Group failed steps: the same code, and the same message but for its numbers and names in quotes. */
export function groupErrors(steps: Step[]): ErrorGroup[] {
  const groups = new Map<string, ErrorGroup>();
  for (const step of steps) {
    if (!step.error) continue;
    const pattern = step.error.message.replace(/(["'“‘«])[^"'”’»]*["'”’»]/g, '$1…').replace(/\d+/g, '#').slice(0, 300);
    const key = `${step.error.code} ${pattern}`;
    const group = groups.get(key) ?? {
      code: step.error.code,
      pattern,
      sample: step.error.message,
      labels: [],
      count: 0,
      attempts: 0,
      last: null,
    };
    group.count += 1;
    group.attempts += step.attempts;
    if (group.labels.length < 50) group.labels.push(step.label);
    if (step.finished_at && step.finished_at > (group.last ?? '')) group.last = step.finished_at;
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => b.count - a.count);
}
