// The address is the state of the page: path and query. Nothing that shows is kept elsewhere.

import {BASE} from './config';

class Router {
  path: string = $state('');
  query: URLSearchParams = $state.raw(new URLSearchParams());

  constructor() {
    this.#read();
    addEventListener('popstate', () => this.#read());
    addEventListener('click', (event) => this.#follow(event));
  }

  /** The path's parts, decoded. */
  get parts(): string[] {
    return this.path.split('/').filter(Boolean).map(decoded);
  }

  go(address: string, {replace = false} = {}): void {
    const full = address.startsWith(BASE) ? address : BASE + address.replace(/^\//, '');
    if (full === location.pathname + location.search) return;
    history[replace ? 'replaceState' : 'pushState'](null, '', full);
    this.#read();
    if (!replace) scrollTo(0, 0);
  }

  /** Change parts of the query; null takes one out. */
  set(changes: Record<string, string | null>, {replace = true} = {}): void {
    const query = new URLSearchParams(this.query);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === '') query.delete(name);
      else query.set(name, value);
    }
    this.go(this.path + (query.size ? `?${query}` : ''), {replace});
  }

  #read(): void {
    this.path = location.pathname.slice(BASE.length);
    this.query = new URLSearchParams(location.search);
  }

  #follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const link = (event.target as Element | null)?.closest?.('a');
    if (!link || link.target || link.origin !== location.origin || !link.pathname.startsWith(BASE)) return;
    if (link.hasAttribute('download')) return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  }
}

/** A part that is no valid encoding ("50%") stays as it is: it names nothing, and the page can say so. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const router = new Router();

export function href(...parts: string[]): string {
  return BASE + parts.map(encodeURIComponent).join('/');
}
