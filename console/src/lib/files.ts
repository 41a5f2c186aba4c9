// Tables that a person takes along as a file.

import {ask} from './api';
import {isExact, digits, stringify} from './exact';

export const MOST_ROWS = 100_000; // of a file

export type Cell = string | number;

/** A value in a cell: whole numbers beyond 2^53 with each digit, objects as JSON. */
export function cellOf(value: unknown): Cell {
  if (value === null || value === undefined) return '';
  if (isExact(value)) return digits(value);
  if (typeof value === 'object') return stringify(value);
  return typeof value === 'number' ? value : String(value);
}

/** The rows of all pages of a list, as far as a file goes; and whether there are more. */
export async function allOf<T>(
  read: (cursor?: string) => Parameters<typeof ask<{items: T[]; next_cursor?: string | null}>>[0],
  most = MOST_ROWS,
): Promise<{rows: T[]; more: boolean}> {
  const rows: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await ask(read(cursor));
    rows.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor && rows.length < most);
  return {rows: rows.slice(0, most), more: Boolean(cursor) || rows.length > most};
}

/** Hand the person a CSV file. */
export function saveCsv(name: string, text: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], {type: 'text/csv'}));
  link.download = `${name.replace(/[^\p{L}\p{N}_.-]+/gu, '_')}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}
