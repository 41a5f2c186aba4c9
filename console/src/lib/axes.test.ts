import {expect, test, vi} from 'vitest';
import type uPlot from 'uplot';
import {DURATIONS, WHOLE, yAxis} from './axes';
import {duration} from './duration';

vi.stubGlobal('devicePixelRatio', 2);

const PER_LETTER = 14; // pixels of the screen
const chart = {
  axes: [{}, {font: ['24px sans-serif', 24]}],
  ctx: {font: '', measureText: (text: string) => ({width: text.length * PER_LETTER})},
} as unknown as uPlot;

function widthOf(labels: string[] | null): number {
  const {size} = yAxis(String);
  if (typeof size !== 'function') throw new Error('the width does not follow the labels');
  return size(chart, labels as string[], 1, 0);
}

test('what is counted is marked in whole steps alone', () => {
  expect(yAxis(String, WHOLE).incrs).toBe(WHOLE);
  expect(WHOLE.slice(0, 7)).toEqual([1, 2, 5, 10, 20, 50, 100]);
  expect(WHOLE.every(Number.isInteger)).toBe(true);
  expect(WHOLE).toEqual([...WHOLE].sort((one, other) => one - other));
  expect(yAxis(String).incrs).toBeUndefined();
});

test('a duration is marked in steps that people say', () => {
  expect(yAxis(duration, DURATIONS).incrs).toBe(DURATIONS);
  expect(DURATIONS).toEqual([...DURATIONS].sort((one, other) => one - other));
  expect(DURATIONS.filter((step) => step >= 1).map((step) => duration(step))).toEqual(
    '1 s,2 s,5 s,10 s,15 s,30 s,1 min,2 min,5 min,10 min,15 min,30 min,1 h,2 h,3 h,6 h,12 h,1 d,2 d,5 d,10 d,20 d,50 d,100 d,200 d,500 d,1000 d'.split(','),
  );
  expect(duration(0.005)).toBe('5 ms');
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
