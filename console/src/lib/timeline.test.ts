import {expect, test} from 'vitest';
import type {Step} from './api';
import {bandsOf, barOf, extent, groupErrors, LEAST, ticks, within, zoomed} from './timeline';

const T0 = Date.parse('2026-12-01T00:00:00Z');
const at = (seconds: number) => new Date(T0 + seconds * 1000).toISOString();
const step = (key: string, given: Partial<Step>): Step => ({
  key,
  level: 'district',
  label: key,
  status: 'SUCCEEDED',
  attempt: 1,
  attempts: 1,
  units: 0,
  created_at: at(0),
  started_at: at(1),
  finished_at: at(3),
  ...given,
});

test('a timeline reaches from the first plan to the last end, or now', () => {
  const done = [step('a', {}), step('b', {finished_at: at(9)})].map(barOf);
  expect(extent(done, T0 + 60_000)).toEqual({from: T0, until: T0 + 9000});
  const running = [barOf(step('a', {status: 'RUNNING', finished_at: null}))];
  expect(extent(running, T0 + 60_000).until).toBe(T0 + 60_000);
});

test('many steps are summed up by how many worked at a time, exactly', () => {
  const steps = Array.from({length: 100_000}, (_, n) =>
    step(`s${n}`, {started_at: at(1), finished_at: at(2), status: n % 10 ? 'SUCCEEDED' : 'FAILED'}),
  );
  const [band] = bandsOf(steps.map(barOf), {from: T0, until: T0 + 4000}, 4, T0);
  expect(band?.steps).toBe(100_000);
  expect(band?.columns.map((column) => column.working)).toEqual([0, 100_000, 0, 0]);
  expect(band?.columns.map((column) => column.failed)).toEqual([0, 0, 10_000, 0]);
});

test('a step counts in each column by the part of it in which it worked', () => {
  const bars = [
    step('long', {created_at: at(-9), started_at: at(-5), finished_at: at(2.5)}),
    step('short', {started_at: at(1.25), finished_at: at(1.75)}),
    step('running', {status: 'RUNNING', started_at: at(3), finished_at: null}),
    step('waiting', {status: 'PENDING', started_at: null, finished_at: null}),
  ].map(barOf);
  const [band] = bandsOf(bars, {from: T0, until: T0 + 4000}, 4, T0 + 60_000);
  expect(band?.columns.map((column) => column.working)).toEqual([1, 1.5, 0.5, 1]);
  expect(band?.columns.map((column) => column.succeeded)).toEqual([0, 1, 1, 0]);
  expect(band?.steps).toBe(4);
});

test('a window holds what waited or worked in it', () => {
  const bars = [step('early', {finished_at: at(2)}), step('late', {created_at: at(8), started_at: at(9), finished_at: at(10)})].map(barOf);
  expect(within(bars, {from: T0 + 5000, until: T0 + 12_000}).map((bar) => bar.step.key)).toEqual(['late']);
});

test('zooming keeps the point under the cursor and stays within the whole', () => {
  const whole = {from: 0, until: 1000};
  expect(zoomed(whole, whole, 0.5, 250)).toEqual({from: 125, until: 625});
  expect(zoomed({from: 0, until: 500}, whole, 4, 0)).toEqual(whole);
});

test('a window is never shorter than the smallest bar', () => {
  const {from, until} = zoomed({from: 0, until: LEAST}, {from: 0, until: 1000}, 0.5, 5);
  expect(until - from).toBe(LEAST);
});

test('marks are a round distance apart, and from the beginning', () => {
  expect(ticks({from: T0, until: T0 + 10_000}, T0, 5).at).toEqual([0, 2000, 4000, 6000, 8000, 10_000].map((after) => T0 + after));
  const zoomedIn = ticks({from: T0 + 61_300, until: T0 + 64_900}, T0, 5);
  expect(zoomedIn).toEqual({size: 1000, at: [62_000, 63_000, 64_000].map((after) => T0 + after)});
  expect(ticks({from: T0, until: T0 + 20}, T0, 5).at).toHaveLength(5);
});

test('errors are grouped but for their numbers and names', () => {
  const failed = (label: string, message: string, code = 'timeout') =>
    step(label, {status: 'FAILED', attempts: 2, label, error: {code, message}});
  const groups = groupErrors([
    failed('a', 'no answer for "Foo" in 30 s'),
    failed('b', 'no answer for "Bar" in 31 s'),
    failed('c', 'no answer for "Bar" in 31 s', 'other'),
  ]);
  expect(groups.map(({code, count, labels, attempts}) => ({code, count, labels, attempts}))).toEqual([
    {code: 'timeout', count: 2, labels: ['a', 'b'], attempts: 4},
    {code: 'other', count: 1, labels: ['c'], attempts: 2},
  ]);
});
