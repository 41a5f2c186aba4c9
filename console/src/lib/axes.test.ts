import {expect, test, vi} from 'vitest';
import type uPlot from 'uplot';
import {WHOLE, yAxis} from './axes';

vi.stubGlobal('devicePixelRatio', 2);

const PER_LETTER = 14; // pixels of the screen
const chart = {
  axes: [{}, {font: ['24px sans-serif', 24]}],
  ctx: {font: '', measureText: (text: string) => ({width: text.length * PER_LETTER})},
} as unknown as uPlot;

function widthOf(labels: string[] | null): number {
  const {size} = yAxis(String, false);
  if (typeof size !== 'function') throw new Error('the width does not follow the labels');
  return size(chart, labels as string[], 1, 0);
}

test('what is counted is marked in whole steps alone', () => {
  expect(yAxis(String, true).incrs).toBe(WHOLE);
  expect(WHOLE.slice(0, 7)).toEqual([1, 2, 5, 10, 20, 50, 100]);
  expect(WHOLE.every(Number.isInteger)).toBe(true);
  expect(WHOLE).toEqual([...WHOLE].sort((one, other) => one - other));
  expect(yAxis(String, false).incrs).toBeUndefined();
});

test('the axis is as wide as its longest label, with the tick beside it', () => {
  const label = '12 min 15 s';
  expect(widthOf(['0', label, '5 s'])).toBe((label.length * PER_LETTER) / 2 + 15);
  expect(chart.ctx.font).toBe('24px sans-serif');
});

test('without long labels charts begin alike', () => {
  expect(widthOf(null)).toBe(64);
  expect(widthOf(['0', '5'])).toBe(64);
});
