import {expect, test} from 'vitest';
import {allOf, cellOf} from './files';
import {parse} from './exact';

test.each([
  [null, ''],
  [undefined, ''],
  [3.5, 3.5],
  ['text', 'text'],
  [false, 'false'],
  [parse('9007199254740993'), '9007199254740993'],
  [parse('{"a": [9007199254740993]}'), '{"a":[9007199254740993]}'],
])('%j in a cell', (value, cell) => expect(cellOf(value)).toBe(cell));

const pages = (sizes: number[]) => (cursor?: string) => {
  const at = Number(cursor ?? 0);
  const items = Array.from({length: sizes[at] ?? 0}, (_, row) => `${at}/${row}`);
  return Promise.resolve({data: {items, next_cursor: at + 1 < sizes.length ? String(at + 1) : null}, response: new Response()});
};

test('all pages are read, in their order', async () => {
  expect(await allOf(pages([2, 0, 1]))).toEqual({rows: ['0/0', '0/1', '2/0'], more: false});
});

test('what is too long for a file is cut, and said to be', async () => {
  expect(await allOf(pages([2, 2, 2]), 3)).toEqual({rows: ['0/0', '0/1', '1/0'], more: true});
  expect(await allOf(pages([2, 2]), 4)).toEqual({rows: ['0/0', '0/1', '1/0', '1/1'], more: false});
  expect((await allOf(pages([3]), 2)).more).toBe(true);
});
