import {expect, test} from 'vitest';
import {drawn, elementOf, type Drawn} from './rows';

const HEIGHT = 600;
const ROW = 40;
const at = (row: number, before?: Drawn) => drawn(before, row * ROW, HEIGHT, ROW, 1000);
const elements = (one: Drawn) => Array.from({length: one.last - one.first}, (_, index) => elementOf(one.first + index, one));

test('what is seen is drawn, with a few rows on each side and as many elements at each place', () => {
  for (const row of [0, 1, 7, 500, 984, 985]) {
    const {first, last, size} = at(row);
    expect(first).toBeLessThanOrEqual(row);
    expect(last).toBeGreaterThanOrEqual(row + HEIGHT / ROW);
    expect(last - first).toBe(size);
  }
  expect(drawn(undefined, 0, HEIGHT, ROW, 3)).toMatchObject({first: 0, last: 3});
  expect(drawn(undefined, 0, HEIGHT, ROW, 0)).toMatchObject({first: 0, last: 0});
});

test('a row keeps its element while it is drawn', () => {
  const before = at(500);
  const after = at(503, before);
  expect(after.first).toBe(before.first + 3);
  for (let row = after.first; row < before.last; row += 1) expect(elementOf(row, after)).toBe(elementOf(row, before));
  expect(new Set(elements(after)).size).toBe(after.size);
});

test.each([[20], [700], [0], [985]])('after a jump to row %i the elements are in the order they were in', (row) => {
  const before = at(503, at(500));
  const after = at(row, before);
  expect(elements(after)).toEqual(elements(before));
});

test('another height has elements of its own', () => {
  const after = drawn(at(503, at(500)), 0, HEIGHT / 2, ROW, 1000);
  expect(elements(after)).toEqual(Array.from({length: after.size}, (_, index) => index));
});
