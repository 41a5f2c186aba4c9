import {expect, test} from 'vitest';
import {after, between, duration} from './duration';

test.each([
  [0, '0 s'],
  [-3, '0 s'],
  [0.25, '250 ms'],
  [9.96, '10 s'],
  [245, '4 min 5 s'],
  [3600, '1 h'],
  [3 * 86_400 + 4 * 3600 + 59, '3 d 4 h'],
])('%f seconds are said in two units at most', (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

test('two marks that follow each other never have the same text', () => {
  expect(after(0, 1)).toBe('0');
  expect([3720, 3750].map((seconds) => after(seconds, 30))).toEqual(['+1 h 2 min', '+1 h 2 min 30 s']);
  expect([62.005, 62.01].map((seconds) => after(seconds, 0.005))).toEqual(['+62.005 s', '+62.010 s']);
});

test('between two times are seconds', () => {
  expect(between('2026-12-01T00:00:00Z', '2026-12-01T00:01:00.5Z')).toBe(60.5);
  expect(between('2026-12-01T00:00:00Z', Date.parse('2026-12-01T00:00:02Z'))).toBe(2);
});
