// Who is signed in. Tokens are in this module's memory alone: never in an address, a cookie of ours or a storage. A page
// that is loaded anew asks the issuer, whose own session answers without a click.

import {BASE, config, loadConfig} from './config';
import {pause} from './pause';
import {challengeOf, claimsOf, randomText} from './pkce';

type State = 'starting' | 'signed-out' | 'leaving' | 'ready' | 'failed';

interface Endpoints {
  authorization_endpoint: string;
  token_endpoint: string;
  end_session_endpoint?: string;
}

interface Tokens {
  access_token: string;
  refresh_token?: string;
  expires_in?: number;
  scope?: string;
}

const PENDING = 'longhaul.sign-in'; // {state, verifier, back} of a sign-in that is under way; none of it opens anything
const KNOWN = 'longhaul.known'; // this tab was signed in before
const CALLBACK = `${BASE}signed-in`;
const EARLY_SECONDS = 60;
const REFUSED = [400, 401]; // of a token endpoint: the grant is not valid any more (RFC 6749, section 5.2)

/** No token, and it is not known whether there will be one: the issuer does not answer, or answers "later". */
export class IssuerAway extends Error {}

class Session {
  state: State = $state('starting');
  problem = $state('');
  /** When the issuer that did not answer is asked again. */
  againAt = $state(0);
  user = $state('');
  tenant = $state('');
  scopes: string[] = $state([]);

  #access = '';
  #refresh = '';
  #expires = 0;
  #tries = 0;
  #why: unknown;
  #renewing: Promise<void> | undefined;
  #endpoints: Endpoints | undefined;

  /** Whether the person may do what needs this scope. */
  may(scope: string): boolean {
    return this.scopes.includes(scope);
  }

  async start(): Promise<void> {
    try {
      await loadConfig();
      const here = new URL(location.href);
      if (here.pathname === CALLBACK) await this.#arrive(here.searchParams);
      else if (sessionStorage.getItem(KNOWN)) await this.signIn('none');
      else this.state = 'signed-out';
    } catch (error) {
      this.#tryLater(error, () => this.start());
    }
  }

  /** Sign in by a press. What is tried again by itself needs no second one. */
  async press(): Promise<void> {
    await this.signIn().catch((error: unknown) => this.#tryLater(error, () => this.press()));
  }

  /** Leave for the issuer. With `none` it asks nothing: it answers at once, signed in or not. */
  async signIn(prompt?: 'none'): Promise<void> {
    this.state = 'leaving';
    const [state, verifier] = [randomText(16), randomText()];
    const back = location.pathname === CALLBACK ? BASE : location.pathname + location.search;
    sessionStorage.setItem(PENDING, JSON.stringify({state, verifier, back}));
    const {client_id, scopes, scope_prefix} = config();
    const query = new URLSearchParams({
      response_type: 'code',
      client_id,
      redirect_uri: location.origin + CALLBACK,
      scope: ['openid', ...scopes.map((scope) => scope_prefix + scope)].join(' '),
      state,
      code_challenge: await challengeOf(verifier),
      code_challenge_method: 'S256',
      ...(prompt ? {prompt} : {}),
    });
    location.assign(`${(await this.#discover()).authorization_endpoint}?${query}`);
  }

  async signOut(): Promise<void> {
    sessionStorage.removeItem(KNOWN);
    const {end_session_endpoint: end} = await this.#discover();
    this.#access = this.#refresh = '';
    this.state = end ? 'leaving' : 'signed-out';
    if (!end) return;
    const back = location.origin + BASE;
    // Cognito has its own names for the same two.
    const query = {client_id: config().client_id, post_logout_redirect_uri: back, logout_uri: back};
    location.assign(`${end}?${new URLSearchParams(query)}`);
  }

  /** Return a token that is valid for a while yet. Throws when there is none; IssuerAway when there may be one later. */
  async token(): Promise<string> {
    // An issuer that is away is asked with growing pauses, however many requests want a token meanwhile.
    if (Date.now() > this.#expires - EARLY_SECONDS * 1000 && this.#refresh && Date.now() >= this.againAt) {
      this.#renewing ??= this.#renew().finally(() => (this.#renewing = undefined));
      await this.#renewing.then(
        () => this.#answered(),
        (error: unknown) => this.#wait(error), // what is left of the token still counts
      );
    }
    if (!this.#access || Date.now() >= this.#expires) {
      if (this.#why) throw new IssuerAway(String(this.#why), {cause: this.#why});
      this.state = 'signed-out';
      throw new Error('the session has ended');
    }
    return this.#access;
  }

  /** The API does not take the token any more. */
  expired(): void {
    this.#access = '';
    this.state = 'signed-out';
  }

  #answered(): void {
    [this.#tries, this.#why, this.againAt] = [0, undefined, 0];
  }

  #wait(error: unknown): void {
    if (Date.now() < this.againAt) return; // another request has heard of the same try
    this.#why = error;
    this.againAt = Date.now() + pause(this.#tries++);
  }

  /** Nobody is signed in, as the issuer or the network is away. */
  #tryLater(error: unknown, again: () => Promise<void>): void {
    this.#wait(error);
    this.state = 'failed';
    this.problem = error instanceof Error ? error.message : String(error);
    setTimeout(() => void again(), this.againAt - Date.now());
  }

  async #arrive(query: URLSearchParams): Promise<void> {
    const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? '{}') as Record<string, string>;
    sessionStorage.removeItem(PENDING);
    history.replaceState(null, '', pending.back ?? BASE); // the code counts once, and is gone from the address
    dispatchEvent(new PopStateEvent('popstate'));
    if (!pending.state || query.get('state') !== pending.state) {
      this.state = 'signed-out';
      return;
    }
    const error = query.get('error');
    if (error) {
      sessionStorage.removeItem(KNOWN);
      this.state = 'signed-out';
      this.problem = error === 'login_required' ? '' : `${error} ${query.get('error_description') ?? ''}`;
      return;
    }
    const answer = await this.#ask({
      grant_type: 'authorization_code',
      code: query.get('code') ?? '',
      redirect_uri: location.origin + CALLBACK,
      code_verifier: pending.verifier ?? '',
    });
    await this.#take(answer);
  }

  async #renew(): Promise<void> {
    const answer = await this.#ask({grant_type: 'refresh_token', refresh_token: this.#refresh});
    if (REFUSED.includes(answer.status)) this.#refresh = '';
    else await this.#take(answer);
  }

  async #ask(grant: Record<string, string>): Promise<Response> {
    const body = new URLSearchParams({...grant, client_id: config().client_id});
    return fetch((await this.#discover()).token_endpoint, {method: 'POST', body});
  }

  async #take(answer: Response): Promise<void> {
    if (!answer.ok) throw new Error(`the issuer answered ${answer.status} ${await answer.text()}`);
    const tokens = (await answer.json()) as Tokens;
    const claims = claimsOf(tokens.access_token);
    const granted = tokens.scope ?? claims.scope ?? claims.scp ?? '';
    const prefix = config().scope_prefix;
    this.#access = tokens.access_token;
    this.#refresh = tokens.refresh_token ?? this.#refresh;
    this.#expires = Date.now() + (tokens.expires_in ?? 300) * 1000;
    this.user = String(claims.sub ?? '');
    this.tenant = String(claims.tenant_id ?? '');
    this.scopes = (Array.isArray(granted) ? granted.map(String) : String(granted).split(' ')).map((scope) =>
      scope.startsWith(prefix) ? scope.slice(prefix.length) : scope,
    );
    sessionStorage.setItem(KNOWN, '1');
    this.#answered();
    this.state = 'ready';
  }

  async #discover(): Promise<Endpoints> {
    if (!this.#endpoints) {
      const answer = await fetch(`${config().issuer}/.well-known/openid-configuration`);
      if (!answer.ok) throw new Error(`the issuer answered ${answer.status}`);
      this.#endpoints = (await answer.json()) as Endpoints;
    }
    return this.#endpoints;
  }
}

export const session = new Session();
