// The y axis of a chart: wide enough for its labels, and in whole steps where what it shows is counted.

import type uPlot from 'uplot';

const LEAST_WIDTH = 64; // CSS pixels; charts below one another begin alike
const TICK = 10; // CSS pixels, as uPlot's own
const GAP = 5; // between a tick and its label

/** 1, 2, 5, 10, 20, 50, ...: what is counted has no halves. */
export const WHOLE: number[] = Array.from({length: 15}, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();

/** Return the width of the axis, of which uPlot says the labels once it knows them. */
function size(chart: uPlot, labels: string[] | null, at: number): number {
  // uPlot keeps a font with its size on the screen: [font, pixels].
  const font: unknown = chart.axes[at]?.font;
  chart.ctx.font = Array.isArray(font) ? String(font[0]) : String(font);
  const widths = (labels ?? []).map((label) => chart.ctx.measureText(label ?? '').width / devicePixelRatio);
  return Math.max(LEAST_WIDTH, Math.ceil(Math.max(0, ...widths)) + TICK + GAP);
}

/** Return what the y axis has beside its colours. `counts`: its values are whole numbers. */
export function yAxis(format: (value: number) => string, counts: boolean): uPlot.Axis {
  return {size, values: (_, ticks) => ticks.map(format), ...(counts ? {incrs: WHOLE} : {})};
}
