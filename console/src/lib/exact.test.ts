import {expect, test} from 'vitest';
import {digits, isExact, parse, stringify} from './exact';

test('a number beyond 2^53 comes back as it was sent', () => {
  const json = '{"id":9007199254740993,"list":[-12345678901234567890,1.5,7],"text":"9007199254740993 \\" 9007199254740995"}';
  const value = parse(json) as {id: string; list: unknown[]; text: string};
  expect(isExact(value.id) && digits(value.id)).toBe('9007199254740993');
  expect(value.list.slice(1)).toEqual([1.5, 7]);
  expect(value.text).toBe('9007199254740993 " 9007199254740995');
  expect(stringify(value)).toBe(json);
});

test('numbers that JavaScript holds stay numbers', () => {
  expect(parse('[9007199254740991, 1234567890123456.5, 1e300]')).toEqual([9007199254740991, 1234567890123456.5, 1e300]);
});
