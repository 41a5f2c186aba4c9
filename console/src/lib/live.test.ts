import {beforeAll, expect, test, vi} from 'vitest';
import {pause} from './pause';

// The module opens nothing when it is loaded; of a browser it only wants the names.
vi.stubGlobal('navigator', {language: 'en', onLine: true});
vi.stubGlobal('addEventListener', () => undefined);

let Newest: typeof import('./live.svelte').Newest;
beforeAll(async () => ({Newest} = await import('./live.svelte')));

test('an older notice of a task is not shown over a newer one', () => {
  const newest = new Newest();
  const notice = (subject: string, sequence: string) => newest.takes({subject, sequence});
  expect(notice('a', '02.00')).toBe(true);
  expect(notice('a', '01.00')).toBe(false);
  expect(notice('a', '02.00')).toBe(false);
  expect(notice('b', '01.00')).toBe(true);
  expect(notice('a', '02.01')).toBe(true);
});

test('a notice is remembered for as long as it may come again, and no longer', () => {
  const newest = new Newest();
  const minute = 60_000;
  for (let task = 0; task <= 3000; task += 1) newest.takes({subject: `task ${task}`, sequence: '02'}, 0);
  expect(newest.takes({subject: 'task 0', sequence: '01'}, 4 * minute)).toBe(false);
  expect(newest.takes({subject: 'another', sequence: '02'}, 6 * minute)).toBe(true);
  expect(newest.takes({subject: 'task 0', sequence: '01'}, 6 * minute)).toBe(true);
});

test('tries come less often, spread by chance, at most half a minute apart', () => {
  expect(pause(0, 0)).toBe(500);
  expect(pause(0, 1)).toBe(1000);
  expect(pause(3, 1)).toBe(8000);
  expect(pause(50, 1)).toBe(30_000);
});
