// What a timeline of steps shows: each step as a bar where they are few, and where they are many how many worked at a
// time. Zooming in leads from one to the other. Times are milliseconds.

import type {Step} from './api';

export const MAX_BARS = 150;

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

interface Times {
  created: number;
  started: number | null;
  ended: number | null;
}

const known = new WeakMap<Step, Times>();

/** Return a step's times, which are parsed once. */
export function timesOf(step: Step): Times {
  let times = known.get(step);
  if (!times) {
    times = {
      created: Date.parse(step.created_at),
      started: step.started_at ? Date.parse(step.started_at) : null,
      ended: step.finished_at ? Date.parse(step.finished_at) : null,
    };
    known.set(step, times);
  }
  return times;
}

export function barsOf(steps: Step[], now: number): Bar[] {
  return steps.map((step) => {
    const {created, started, ended} = timesOf(step);
    return {step, planned: Math.min(created, started ?? now), started, ended};
  });
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

export function bandsOf(bars: Bar[], window: Window, count: number, now: number): Band[] {
  const width = (window.until - window.from) / count;
  const levels = new Map<string, Band>();
  for (const bar of bars) {
    const {level} = bar.step;
    let band = levels.get(level);
    if (!band) {
      const columns = Array.from({length: count}, (_, index) => ({
        from: window.from + index * width,
        until: window.from + (index + 1) * width,
        working: 0,
        succeeded: 0,
        failed: 0,
      }));
      levels.set(level, (band = {level, steps: 0, columns}));
    }
    band.steps += 1;
    addTo(band.columns, bar, window, width, now);
  }
  return [...levels.values()];
}

function addTo(columns: Column[], bar: Bar, window: Window, width: number, now: number): void {
  const index = (time: number): number => Math.floor((time - window.from) / width);
  if (bar.started !== null) {
    const until = bar.ended ?? (bar.step.status === 'RUNNING' ? now : bar.started);
    const last = Math.min(columns.length - 1, index(until));
    for (let at = Math.max(0, index(bar.started)); at <= last; at += 1) {
      const column = columns[at] as Column;
      const shared = Math.min(until, column.until) - Math.max(bar.started, column.from);
      column.working += Math.max(0, shared) / width;
    }
  }
  if (bar.ended !== null) {
    const column = columns[Math.min(columns.length - 1, index(bar.ended))];
    if (column && bar.ended >= window.from && bar.ended <= window.until) {
      if (bar.step.status === 'FAILED') column.failed += 1;
      else column.succeeded += 1;
    }
  }
}

/** A round distance between marks, of which about `count` fit. */
export function ticks(window: Window, count: number): number[] {
  const sizes = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400];
  const wanted = (window.until - window.from) / 1000 / count;
  const size = (sizes.find((size) => size >= wanted) ?? 604_800) * 1000;
  const marks: number[] = [];
  for (let at = 0; at <= window.until - window.from; at += size) marks.push(window.from + at);
  return marks;
}

/** The window that remains after zooming by a factor around a point, within what there is. */
export function zoomed(window: Window, whole: Window, factor: number, around: number): Window {
  const length = Math.min((window.until - window.from) * factor, whole.until - whole.from);
  const share = (around - window.from) / (window.until - window.from);
  const from = Math.max(whole.from, Math.min(around - share * length, whole.until - length));
  return {from, until: from + Math.max(length, 10)};
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
