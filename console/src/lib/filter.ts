// A list's filter, in its forms: the page's address, the API's query, a bulk action's filter, a command, curl.

import type {Schemas, Status} from './api';

export const STATUSES = ['PENDING', 'RUNNING', 'PAUSED', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const;
export const PRIORITIES = ['urgent', 'high', 'normal', 'low'] as const;
export const SORTS = ['created_at', 'updated_at', 'priority', 'progress'] as const;
export const TIMES = ['created_after', 'created_before', 'ended_after', 'ended_before'] as const;

export type Sort = (typeof SORTS)[number];
export type Priority = (typeof PRIORITIES)[number];

/** So long ago: 30m, 24h, 7d. It moves with the clock until `frozen` fixes it. */
export const AGO = /^(\d{1,5})([mhd])$/;
const MINUTES = {m: 1, h: 60, d: 1440} as const;

export interface Filter {
  status: Status[];
  kind: string[];
  priority: Priority[];
  /** `!code`: any other code. */
  error_code: string[];
  title: string;
  created_after: string;
  created_before: string;
  ended_after: string;
  ended_before: string;
  sort: Sort;
  order: 'asc' | 'desc';
}

/** What the API takes as an error code. */
export const CODE = /^!?[A-Za-z0-9_.:\-]{1,64}$/;

/** Read the address. `!FAILED` leaves a value out: what is meant then is all others. */
export function fromQuery(query: URLSearchParams, kinds: string[]): Filter {
  const list = <T extends string>(name: string, known: readonly T[]): T[] => {
    const given = (query.get(name) ?? '').split(',').filter(Boolean);
    const out = given.filter((value) => value.startsWith('!')).map((value) => value.slice(1));
    const picked = given.filter((value) => !value.startsWith('!')) as T[];
    return out.length ? (picked.length ? picked : [...known]).filter((value) => !out.includes(value)) : picked;
  };
  const time = (name: string): string => {
    const value = query.get(name) ?? '';
    return AGO.test(value) || !Number.isNaN(Date.parse(value)) ? value : '';
  };
  const sort = query.get('sort') as Sort;
  return {
    status: list('status', STATUSES).filter((value) => STATUSES.includes(value)),
    kind: list('kind', kinds),
    priority: list('priority', PRIORITIES).filter((value) => PRIORITIES.includes(value)),
    error_code: (query.get('error_code') ?? '').split(',').filter((code) => CODE.test(code)).slice(0, 50),
    title: (query.get('title') ?? '').slice(0, 100),
    created_after: time('created_after'),
    created_before: time('created_before'),
    ended_after: time('ended_after'),
    ended_before: time('ended_before'),
    sort: SORTS.includes(sort) ? sort : 'created_at',
    order: query.get('order') === 'asc' ? 'asc' : 'desc',
  };
}

/** The filter with its times as moments: what is meant does not move any more. */
export function frozen(filter: Filter, now: number): Filter {
  const moments = TIMES.map((name) => {
    const ago = AGO.exec(filter[name]);
    const time = ago ? now - Number(ago[1]) * MINUTES[ago[2] as 'm' | 'h' | 'd'] * 60_000 : Date.parse(filter[name]);
    return [name, filter[name] ? new Date(time).toISOString() : ''];
  });
  return {...filter, ...(Object.fromEntries(moments) as Pick<Filter, (typeof TIMES)[number]>)};
}

/** The API's query of the filter, without what is empty. */
export function apiQuery(filter: Filter): Record<string, string | string[]> {
  const {sort, order, ...rest} = filter;
  const given = Object.entries(rest).filter(([, value]) => value.length > 0);
  return {...Object.fromEntries(given), sort_by: sort, sort_order: order};
}

export function isEmpty(filter: Filter): boolean {
  const {sort: _sort, order: _order, ...rest} = filter;
  return Object.values(rest).every((value) => value.length === 0);
}

export function bulkFilter(filter: Filter, taskIds: string[] = []): Schemas['BulkFilter'] {
  if (taskIds.length) return {task_ids: taskIds} as Schemas['BulkFilter'];
  const {sort: _sort, order: _order, ...rest} = filter;
  return Object.fromEntries(Object.entries(rest).filter(([, value]) => value.length)) as Schemas['BulkFilter'];
}

/** Whether a task with these fields belongs to the list; undefined when the fields do not say. */
export function matches(
  filter: Filter,
  task: {status: string; kind: string; title: string; priority?: string | null; created_at?: string},
): boolean | undefined {
  if (filter.status.length && !filter.status.includes(task.status as Status)) return false;
  if (filter.kind.length && !filter.kind.includes(task.kind)) return false;
  if (filter.title && !task.title.toLowerCase().includes(filter.title.toLowerCase())) return false;
  if (filter.priority.length) {
    if (!task.priority) return undefined;
    if (!filter.priority.includes(task.priority as Priority)) return false;
  }
  if (filter.error_code.length || filter.ended_after || filter.ended_before) return undefined;
  if (task.created_at) {
    const made = Date.parse(task.created_at);
    if (filter.created_after && made < Date.parse(filter.created_after)) return false;
    if (filter.created_before && made >= Date.parse(filter.created_before)) return false;
  }
  return true;
}

const quoted = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

/** The same list by the command line. */
export function command(filter: Filter): string {
  const words = ['longhaul', 'list', '--all'];
  for (const status of filter.status) words.push('--status', status);
  for (const kind of filter.kind) words.push('--kind', quoted(kind));
  for (const priority of filter.priority) words.push('--priority', priority);
  for (const code of filter.error_code) words.push('--error-code', quoted(code));
  if (filter.title) words.push('--title', quoted(filter.title));
  for (const name of TIMES) if (filter[name]) words.push(`--${name.replace('_', '-')}`, quoted(filter[name]));
  if (filter.sort !== 'created_at') words.push('--sort', filter.sort);
  if (filter.order === 'asc') words.push('--order', 'asc');
  return words.join(' ');
}

/** The same list by curl. The token stays in a variable: it is in no history and in no screenshot. */
export function curl(filter: Filter, api: string): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(apiQuery(filter))) query.set(name, String(value));
  return `curl -H "Authorization: Bearer $LONGHAUL_TOKEN" ${quoted(`${api}/api/v1/tasks/cursor?${query}`).replace(/^(?!')(.*)$/, "'$1'")}`;
}
