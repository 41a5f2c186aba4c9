// Times as people read them: relative, and absolute with their zone.

import {prefs} from './prefs.svelte';

class Clock {
  now: number = $state(Date.now());

  constructor() {
    setInterval(() => (this.now = Date.now()), 1000);
  }
}

export const clock = new Clock();
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
];

export function locale(): string {
  return prefs.language === 'zh' ? 'zh-CN' : 'en';
}

// To make a format costs more than a row of the list: each is made once a language.
const relatives = new Map<string, Intl.RelativeTimeFormat>();
const moments = new Map<string, Intl.DateTimeFormat>();
const hours = new Map<string, Intl.DateTimeFormat>();

function once<T>(made: Map<string, T>, make: (language: string) => T): T {
  const language = locale();
  const found = made.get(language) ?? make(language);
  made.set(language, found);
  return found;
}

/** "3 minutes ago", "in 2 hours". */
export function relative(iso: string, now: number): string {
  const seconds = Math.round((Date.parse(iso) - now) / 1000);
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ['second', 1];
  const format = once(relatives, (language) => new Intl.RelativeTimeFormat(language, {numeric: 'auto', style: 'short'}));
  return format.format(Math.trunc(seconds / size), unit);
}

/** Date, time and zone. */
export function absolute(iso: string): string {
  return once(
    moments,
    (language) =>
      new Intl.DateTimeFormat(language, {
        year: 'numeric',
        month: 'short',
        day: 'numeric',
        hour: '2-digit',
        minute: '2-digit',
        second: '2-digit',
        hourCycle: 'h23',
        timeZoneName: 'short',
      }),
  ).format(new Date(iso));
}

/** Hours, minutes and seconds of a day. */
export function timeOfDay(time: number): string {
  return once(
    hours,
    (language) => new Intl.DateTimeFormat(language, {hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23'}),
  ).format(new Date(time));
}
