import {expect, test} from 'vitest';
import {Pages, type Page} from './pages.svelte';

/** A list whose answers come when the test says so. */
function list() {
  const asked: {cursor: string | undefined; answer: (page: Page<number>) => void; refuse: (error: Error) => void}[] = [];
  const pages = new Pages<Page<number>>(
    ({cursor}) => new Promise((answer, refuse) => asked.push({cursor, answer, refuse})),
  );
  return {pages, asked};
}

test('pages are read one after another to the end', async () => {
  const {pages, asked} = list();
  expect(pages.loading).toBe(true);
  const first = pages.load();
  asked[0]?.answer({items: [1, 2], next_cursor: 'b'});
  await first;
  expect([pages.loading, pages.next]).toEqual([false, 'b']);
  const second = pages.more();
  asked[1]?.answer({items: [3], next_cursor: null});
  await second;
  expect([pages.rows, pages.next, asked[1]?.cursor]).toEqual([[1, 2, 3], null, 'b']);
  await pages.more();
  expect(asked).toHaveLength(2);
});

test('two presses read one page', async () => {
  const {pages, asked} = list();
  const first = pages.load();
  asked[0]?.answer({items: [1], next_cursor: 'b'});
  await first;
  const presses = [pages.more(), pages.more()];
  expect(asked).toHaveLength(2);
  asked[1]?.answer({items: [2]});
  await Promise.all(presses);
  expect(pages.rows).toEqual([1, 2]);
});

test('an answer to what was asked before does not replace one to what was asked last', async () => {
  const {pages, asked} = list();
  const reads = [pages.load(), pages.load()];
  asked[1]?.answer({items: [2]});
  asked[0]?.answer({items: [1]});
  await Promise.all(reads);
  expect(pages.rows).toEqual([2]);
  const failed = [pages.load(), pages.load()];
  asked[2]?.refuse(new Error('late'));
  asked[3]?.answer({items: [3]});
  await Promise.all(failed);
  expect([pages.rows, pages.error]).toEqual([[3], null]);
});

test('more that is asked for while another list is read waits for that, and reads no cursor of the former', async () => {
  const {pages, asked} = list();
  const first = pages.load();
  asked[0]?.answer({items: [1], next_cursor: 'b'});
  await first;
  const more = pages.more();
  const other = pages.load();
  const waited = pages.more();
  asked[1]?.answer({items: [2], next_cursor: 'c'});
  await more;
  asked[2]?.answer({items: [7]});
  await Promise.all([other, waited]);
  expect([pages.rows, asked.length]).toEqual([[7], 3]);
});

test('another list shows nothing of the former, and goes on being refreshed, when it cannot be read', async () => {
  const {pages, asked} = list();
  const first = pages.load();
  asked[0]?.answer({items: [1], next_cursor: 'b'});
  await first;
  const more = pages.more();
  asked[1]?.answer({items: [2], next_cursor: 'c'});
  await more;
  const other = pages.load();
  asked[2]?.refuse(new Error('away'));
  await other;
  expect([pages.rows, pages.next, String(pages.error)]).toEqual([[], null, 'Error: away']);
  const again = pages.refresh();
  asked[3]?.answer({items: [7]});
  await again;
  expect([pages.rows, pages.error]).toEqual([[7], null]);
});

test('a refusal keeps what was read, and the next answer clears it', async () => {
  const {pages, asked} = list();
  const first = pages.load();
  asked[0]?.answer({items: [1]});
  await first;
  const second = pages.again();
  expect(pages.loading).toBe(false);
  asked[1]?.refuse(new Error('away'));
  await second;
  expect([pages.rows, String(pages.error)]).toEqual([[1], 'Error: away']);
  const third = pages.load();
  asked[2]?.answer({items: [2]});
  await third;
  expect([pages.rows, pages.error]).toEqual([[2], null]);
});

test('a refresh takes nothing away that was asked for, a load begins anew', async () => {
  const {pages, asked} = list();
  const first = pages.load();
  asked[0]?.answer({items: [1], next_cursor: 'b'});
  await first;
  const more = pages.more();
  await pages.refresh();
  asked[1]?.answer({items: [2]});
  await more;
  await pages.refresh();
  expect(asked).toHaveLength(2);
  const anew = pages.load();
  asked[2]?.answer({items: [9]});
  await anew;
  const again = pages.refresh();
  asked[3]?.answer({items: [8]});
  await again;
  expect(pages.rows).toEqual([8]);
});
