// The y axis of a chart: wide enough for its labels, and in round steps of what it shows.

import type uPlot from 'uplot';

const LEAST_WIDTH = 64; // CSS pixels; charts below one another begin alike
const TICK = 10; // CSS pixels, as uPlot's own
const GAP = 5; // between a tick and its label

/** 1, 2, 5, 10, 20, 50, ...: what is counted has no halves. */
export const WHOLE: number[] = Array.from({length: 15}, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Seconds that are round as people say them: 1, 2, 5, 10, 15, 30 s, 1, 2, 5 min, ... The first are milliseconds. */
export const DURATIONS: number[] = [
  ...[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5],
  ...[1, 2, 5, 10, 15, 30],
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR),
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].map((days) => days * DAY),
];

/** Return the width of the axis, of which uPlot says the labels once it knows them. */
function size(chart: uPlot, labels: string[] | null, at: number): number {
  // uPlot keeps a font with its size on the screen: [font, pixels].
  const font: unknown = chart.axes[at]?.font;
  chart.ctx.font = Array.isArray(font) ? String(font[0]) : String(font);
  const widths = (labels ?? []).map((label) => chart.ctx.measureText(label ?? '').width / devicePixelRatio);
  return Math.max(LEAST_WIDTH, Math.ceil(Math.max(0, ...widths)) + TICK + GAP);
}

/** Return what the y axis has beside its colours. `steps`: how far its marks may be apart; without them uPlot chooses. */
export function yAxis(format: (value: number) => string, steps?: number[]): uPlot.Axis {
  return {size, values: (_, ticks) => ticks.map(format), ...(steps ? {incrs: steps} : {})};
}
