// Leads of a campaign from a CSV file, as spreadsheets save it.

import Papa from 'papaparse';

export const MAX_LEADS = 1000; // of a campaign's submission
export const TARGETS = ['', 'leads_id', 'phone', 'name', 'extra'] as const;
export type Target = (typeof TARGETS)[number];

export interface Row {
  /** Where it begins in the file, from 1: a cell may have line breaks. */
  line: number;
  cells: string[];
}

export interface Lead {
  leads_id: string;
  phone: string;
  name?: string;
  extras?: Record<string, string>;
}

export type Fault = {line: number; what: 'phone' | 'noPhone' | 'twicePhone' | 'twiceId' | 'name' | 'id' | 'cells'; value: string};

/** Spreadsheets write UTF-8 with a mark, UTF-16 with a mark, or in China GBK without one. */
export function decode(bytes: Uint8Array<ArrayBuffer>): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  try {
    return new TextDecoder('utf-8', {fatal: true}).decode(bytes);
  } catch {
    return new TextDecoder('gb18030').decode(bytes);
  }
}

/** The rows that hold anything; the first is the columns' names. */
export function rowsOf(text: string): Row[] {
  const rows: Row[] = [];
  let line = 1;
  let at = 0;
  Papa.parse<string[]>(text, {
    step: ({data, meta}) => {
      if (data.some((cell) => cell.trim())) rows.push({line, cells: data.map((cell) => cell.trim())});
      line += text.slice(at, meta.cursor).match(/\r\n|\r|\n/g)?.length ?? 0;
      at = meta.cursor;
    },
  });
  return rows;
}

/** What a column most likely is, by its name. */
export function guess(names: string[]): Target[] {
  const taken = new Set<Target>();
  return names.map((name) => {
    const found: Target = /phone|mobile|tel|电话|手机|號碼|号码/i.test(name)
      ? 'phone'
      : /(^|[\s_])id$|编号|leads_id/i.test(name)
        ? 'leads_id'
        : /name|姓名|称呼|客户/i.test(name)
          ? 'name'
          : '';
    if (!found || taken.has(found)) return '';
    taken.add(found);
    return found;
  });
}

const bare = (phone: string): string => phone.replace(/[\s().-]/g, '').replace(/^(\+|00)86(?=\d)/, '');

/** A Chinese number, or one with its country code. The API looks closer. */
const PHONE = /^(1[3-9]\d{9}|0\d{9,11}|[48]00\d{7}|\+[1-9]\d{6,14})$/;

/** The leads of the rows, and what is wrong with which line. A row with a fault is no lead. */
export function leadsOf(names: string[], rows: Row[], targets: Target[]): {leads: {line: number; lead: Lead}[]; faults: Fault[]} {
  const leads: {line: number; lead: Lead}[] = [];
  const faults: Fault[] = [];
  const phones = new Set<string>();
  const ids = new Set<string>();
  for (const {line, cells} of rows) {
    const of = (target: Target): string => cells[targets.indexOf(target)] ?? '';
    const extras = Object.fromEntries(names.flatMap((name, at) => (targets[at] === 'extra' && name && cells[at] ? [[name, cells[at]]] : [])));
    const phone = of('phone');
    const id = of('leads_id') || `L-${line}`;
    const wrong: Fault['what'] | undefined =
      cells.slice(names.length).some(Boolean) ? 'cells'
      : !phone ? 'noPhone'
      : !PHONE.test(bare(phone)) ? 'phone'
      : phones.has(bare(phone)) ? 'twicePhone'
      : id.length > 64 ? 'id'
      : ids.has(id) ? 'twiceId'
      : of('name').length > 50 ? 'name'
      : undefined;
    if (wrong) {
      faults.push({line, what: wrong, value: wrong === 'twiceId' || wrong === 'id' ? id : wrong === 'name' ? of('name') : phone});
      continue;
    }
    phones.add(bare(phone));
    ids.add(id);
    leads.push({line, lead: {leads_id: id, phone, ...(of('name') ? {name: of('name')} : {}), ...(Object.keys(extras).length ? {extras} : {})}});
  }
  return {leads, faults};
}

/** What a spreadsheet may take for a formula, on one line or more. A number, however large, is none. */
const FORMULA = /^(?!-?\d+$)[=+\-@\t\r\n]/;

/** A table as CSV that a spreadsheet opens: with a mark, and without what it would take for a formula. */
export function written(rows: (string | number)[][]): string {
  return `\ufeff${Papa.unparse(rows, {escapeFormulae: FORMULA})}\r\n`;
}
