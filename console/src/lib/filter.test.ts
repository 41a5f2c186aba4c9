import {expect, test} from 'vitest';
import {apiQuery, bulkFilter, command, curl, fromQuery, frozen, isEmpty, matches} from './filter';

const KINDS = ['calls', 'roles', 'diagnosis'];
const read = (query: string) => fromQuery(new URLSearchParams(query), KINDS);

test('an address is the filter, and what it does not know is left out', () => {
  const filter = read('status=FAILED,NONSENSE&kind=calls&title=a&sort=progress&order=asc&created_after=24h&ended_after=x');
  expect(filter).toMatchObject({status: ['FAILED'], kind: ['calls'], title: 'a', sort: 'progress', order: 'asc'});
  expect([filter.created_after, filter.ended_after]).toEqual(['24h', '']);
  expect(isEmpty(read('sort=progress'))).toBe(true);
  expect(isEmpty(filter)).toBe(false);
});

test('a value that is left out means all others', () => {
  expect(read('status=!SUCCEEDED,!CANCELLED').status).toEqual(['PENDING', 'RUNNING', 'PAUSED', 'FAILED']);
  expect(read('kind=!roles').kind).toEqual(['calls', 'diagnosis']);
});

test('an error code is asked for, or left out, as the API has it', () => {
  const filter = read('error_code=bad_answer,!gone,<b>');
  expect(filter.error_code).toEqual(['bad_answer', '!gone']);
  expect(isEmpty(filter)).toBe(false);
  expect(apiQuery(filter).error_code).toEqual(['bad_answer', '!gone']);
  expect(bulkFilter(filter)).toEqual({error_code: ['bad_answer', '!gone']});
  expect(command(filter)).toBe("longhaul list --all --error-code bad_answer --error-code '!gone'");
  expect(curl(filter, 'https://a.example')).toContain('error_code=bad_answer%2C%21gone');
  const task = {status: 'FAILED', kind: 'calls', title: 'a', created_at: '2026-12-01T00:00:00Z'};
  expect(matches(filter, task)).toBeUndefined();
});

test('frozen, a filter means the same tomorrow', () => {
  const now = Date.parse('2026-12-02T00:00:00Z');
  expect(frozen(read('created_after=24h'), now).created_after).toBe('2026-12-01T00:00:00.000Z');
  expect(frozen(read('created_after=30m'), now).created_after).toBe('2026-12-01T23:30:00.000Z');
  expect(frozen(read(''), now).created_after).toBe('');
});

test('the API is asked for what is filtered, and nothing else', () => {
  expect(apiQuery(read('status=FAILED&priority=high'))).toEqual({
    status: ['FAILED'],
    priority: ['high'],
    sort_by: 'created_at',
    sort_order: 'desc',
  });
  expect(bulkFilter(read('status=FAILED&sort=progress'))).toEqual({status: ['FAILED']});
  expect(bulkFilter(read('status=FAILED'), ['t-1'])).toEqual({task_ids: ['t-1']});
});

test('a command and curl ask for the same, safely quoted', () => {
  const filter = read("status=FAILED&title=it's%20$(rm)&sort=progress&order=asc");
  expect(command(filter)).toBe(
    `longhaul list --all --status FAILED --title 'it'\\''s $(rm)' --sort progress --order asc`,
  );
  expect(curl(filter, 'https://api.example')).toBe(
    `curl -H "Authorization: Bearer $LONGHAUL_TOKEN" 'https://api.example/api/v1/tasks/cursor?` +
      `status=FAILED&title=it%27s+%24%28rm%29&sort_by=progress&sort_order=asc'`,
  );
});

test('a task belongs to the list, does not, or may', () => {
  const task = {status: 'FAILED', kind: 'calls', title: 'Autumn', created_at: '2026-12-01T00:00:00Z'};
  expect(matches(read('status=FAILED&kind=calls&title=AUT'), task)).toBe(true);
  expect(matches(read('status=RUNNING'), task)).toBe(false);
  expect(matches(read('title=spring'), task)).toBe(false);
  expect(matches(read('priority=high'), task)).toBeUndefined();
  expect(matches(read('priority=high'), {...task, priority: 'low'})).toBe(false);
  expect(matches(read('created_before=2026-12-01T00:00:00Z'), task)).toBe(false);
  expect(matches(read('ended_after=2026-12-01T00:00:00Z'), task)).toBeUndefined();
});
