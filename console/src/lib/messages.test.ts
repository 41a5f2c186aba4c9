import {expect, test} from 'vitest';
import {messages} from './messages';

const values = (text: string) => [...new Set([...text.matchAll(/\{(\w+)[?}]/g)].map((match) => match[1]))].sort();

test.each(Object.entries(messages))('%s speaks of the same in each language', (_, [english, chinese]) => {
  expect(values(chinese)).toEqual(values(english));
  expect(english).not.toMatch(/[\u3400-\u9fff]/);
});
