import {beforeAll, expect, test, vi} from 'vitest';

vi.stubGlobal('location', {pathname: '/console/', search: ''});
vi.stubGlobal('addEventListener', () => undefined);

let router: typeof import('./router.svelte').router;
beforeAll(async () => ({router} = await import('./router.svelte')));

test('the parts of the path are decoded', () => {
  router.path = 'tasks/a%2Fb%20%E5%A5%BD';
  expect(router.parts).toEqual(['tasks', 'a/b 好']);
});

test('a part that is no valid encoding stays as it is', () => {
  router.path = 'tasks/50%/a%20b';
  expect(router.parts).toEqual(['tasks', '50%', 'a b']);
});
