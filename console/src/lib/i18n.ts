// What the console says, in each of its languages. `{n}` stands for a value; `{n?task:tasks}` for one of two words.

import {messages, type Message} from './messages';
import {prefs} from './prefs.svelte';
import {locale} from './time.svelte';

export type Values = Record<string, string | number>;

export function t(name: Message, values: Values = {}): string {
  return fill(messages[name][prefs.language === 'zh' ? 1 : 0], values);
}

/** The same for a name that is made up at run time; the name itself where nothing is known. */
export function maybe(name: string, values: Values = {}): string {
  return name in messages ? t(name as Message, values) : (name.split('.').pop() ?? name);
}

export function fill(text: string, values: Values): string {
  return text
    .replace(/\{(\w+)\?([^:}]*):([^}]*)\}/g, (_, name: string, one: string, many: string) =>
      Number(values[name]) === 1 ? one : many,
    )
    .replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      return value === undefined ? whole : typeof value === 'number' ? value.toLocaleString(locale()) : value;
    });
}
