import {beforeEach, expect, test, vi} from 'vitest';

const ISSUER = 'https://issuer.example';
const LIFE = 300; // seconds of a token
const EARLY = 59; // seconds before its end: it is renewed

let refresh: () => Response | Promise<Response>; // the issuer's answer to it
let asked: string[]; // the authorizations of the requests to the API
let session: typeof import('./session.svelte').session;
let api: typeof import('./api');

function tokens(access: string): Response {
  return Response.json({access_token: access, refresh_token: 'r', expires_in: LIFE, scope: 'tasks:read'});
}

async function answer(request: Request): Promise<Response> {
  const {pathname} = new URL(request.url);
  if (pathname.endsWith('/config.json'))
    return Response.json({issuer: ISSUER, client_id: 'c', scopes: ['tasks:read'], scope_prefix: '', api: 'https://api.example', logs: null});
  if (pathname.endsWith('/openid-configuration')) return Response.json({token_endpoint: `${ISSUER}/token`});
  if (pathname === '/token') return (await request.text()).includes('refresh_token') ? refresh() : tokens('first');
  asked.push(request.headers.get('Authorization') ?? '');
  return Response.json({items: []});
}

/** Somebody signs in; then so many seconds pass. */
beforeEach(async () => {
  vi.resetModules();
  vi.useFakeTimers({now: 0});
  const kept = new Map([['longhaul.sign-in', JSON.stringify({state: 's', verifier: 'v'})]]);
  vi.stubGlobal('sessionStorage', {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => kept.set(name, value),
    removeItem: (name: string) => kept.delete(name),
  });
  const {BASE} = await import('./config');
  const href = `https://longhaul.example${BASE}signed-in?state=s&code=c`;
  vi.stubGlobal('location', new URL(href));
  vi.stubGlobal('history', {replaceState: () => undefined});
  vi.stubGlobal('PopStateEvent', Event);
  vi.stubGlobal('dispatchEvent', () => true);
  vi.stubGlobal('fetch', (input: Request | string, init?: RequestInit) => answer(new Request(new URL(input instanceof Request ? input.url : input, href), input instanceof Request ? input : init)));
  asked = [];
  api = await import('./api');
  ({session} = await import('./session.svelte'));
  await session.start();
  expect(session.state).toBe('ready');
});

async function lists(): Promise<unknown> {
  return api.ask(api.client().GET('/api/v1/tasks'));
}

function pass(seconds: number): void {
  vi.setSystemTime(seconds * 1000);
}

const AWAY: [string, () => Response | Promise<Response>][] = [
  ['429', () => new Response('', {status: 429})],
  ['503', () => new Response('', {status: 503})],
  ['no network', () => Promise.reject(new TypeError('Failed to fetch'))],
];

test.each(AWAY)('with %s of the issuer what is left of the token counts, then it is offline', async (_, away) => {
  refresh = away;
  pass(LIFE - EARLY);
  await lists();
  expect(asked).toEqual(['Bearer first']);

  pass(LIFE);
  await expect(lists()).rejects.toMatchObject({status: 0, offline: true});
  expect(session.state).toBe('ready');

  pass(LIFE + 60); // longer than the longest pause
  refresh = () => tokens('second');
  await lists();
  expect(asked).toEqual(['Bearer first', 'Bearer second']);
});

test.each([400, 401])('with %d of the issuer the session ends with its token', async (status) => {
  let renewals = 0;
  refresh = () => {
    renewals += 1;
    return new Response('{"error": "invalid_grant"}', {status});
  };
  pass(LIFE - EARLY);
  await lists();
  await lists();
  expect([renewals, session.state]).toEqual([1, 'ready']);

  pass(LIFE);
  await expect(lists()).rejects.toMatchObject({status: 401, code: 'signed_out'});
  expect(session.state).toBe('signed-out');
});

test('an issuer that is away is asked with growing pauses, however many requests there are', async () => {
  let renewals = 0;
  refresh = () => {
    renewals += 1;
    return new Response('', {status: 503});
  };
  for (let second = 0; second < 120; second += 1) {
    pass(LIFE + second);
    await Promise.allSettled([lists(), lists(), lists()]);
  }
  // Each pause is a half of its doubled time at least: 0.5, 1, 2, 4, 8, 15, 15, ... seconds.
  expect(renewals).toBeGreaterThan(4);
  expect(renewals).toBeLessThan(14);
  expect(session.state).toBe('ready');
});

test.each(['a press', 'a page that is loaded anew'])('%s while the issuer is away tries again by itself', async (by) => {
  vi.resetModules();
  sessionStorage.setItem('longhaul.known', '1');
  vi.stubGlobal('location', Object.assign(new URL('https://longhaul.example/console/'), {assign: vi.fn()}));
  const kept = fetch;
  const away = (input: Request | string) => (String(input).endsWith('config.json') ? kept(input) : Promise.reject(new TypeError('Failed to fetch')));
  vi.stubGlobal('fetch', away);
  const {session: another} = await import('./session.svelte');
  if (by === 'a press') sessionStorage.removeItem('longhaul.known');
  await another.start();
  if (by === 'a press') await another.press();
  expect([another.state, another.problem]).toEqual(['failed', 'Failed to fetch']);

  vi.stubGlobal('fetch', (input: string, init?: RequestInit) =>
    String(input).endsWith('openid-configuration') ? Response.json({authorization_endpoint: 'https://issuer.example/authorize'}) : kept(input, init),
  );
  await vi.advanceTimersByTimeAsync(1000);
  await vi.waitFor(() => expect(location.assign).toHaveBeenCalledOnce());
});
