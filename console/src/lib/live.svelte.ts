// The WebSocket of docs/live.md: one connection, subscribed to all of the tenant's tasks. It comes back by itself, with
// what it missed, and says truly how it stands.

import type {Schemas} from './api';
import {ask, client} from './api';
import {pause} from './pause';

export type LiveState = 'connecting' | 'live' | 'offline';

export interface Notice {
  type: string;
  subject: string;
  sequence: string;
  time: string;
  data: {
    task_id: string;
    kind: string;
    title: string;
    status: Schemas['Status'];
    attempt: number;
    progress: number;
    stage: string | null;
    current_step: string | null;
    detail?: Record<string, unknown>;
  };
}

type Listener = (notice: Notice) => void;

const PING_MS = 5 * 60_000;

const REMEMBERED_MS = 5 * 60_000; // what could not be posted to all is posted again within minutes (docs/live.md)

/** Whether the notice is newer than what was heard of its task; remembers it then. */
export class Newest {
  #heard = new Map<string, {sequence: string; at: number}>();

  takes(notice: Pick<Notice, 'subject' | 'sequence'>, now = Date.now()): boolean {
    const before = this.#heard.get(notice.subject);
    if (before && before.sequence >= notice.sequence) return false;
    this.#heard.delete(notice.subject);
    this.#heard.set(notice.subject, {sequence: notice.sequence, at: now});
    for (const [subject, {at}] of this.#heard) {
      if (at >= now - REMEMBERED_MS) break;
      this.#heard.delete(subject);
    }
    return true;
  }
}

class Live {
  state: LiveState = $state('connecting');
  heardAt: number = $state(Date.now());

  #socket: WebSocket | undefined;
  #last = '';
  #newest = new Newest();
  #tries = 0;
  #timer = 0;
  #ping = 0;
  #started = false;
  #attempt = 0;
  #notices = new Set<Listener>();
  #resets = new Set<() => void>();

  start(): void {
    if (this.#started) return;
    this.#started = true;
    addEventListener('offline', () => this.#cut());
    addEventListener('online', () => this.#again(0));
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible' && this.state !== 'live') this.#again(0);
    });
    void this.#connect();
  }

  /** Hear of each notice. Returns what ends it. */
  onNotice(listener: Listener): () => void {
    this.#notices.add(listener);
    return () => this.#notices.delete(listener);
  }

  /** Be told to read again over HTTP: more was missed than can be made up for. */
  onReset(listener: () => void): () => void {
    this.#resets.add(listener);
    return () => this.#resets.delete(listener);
  }

  async #connect(): Promise<void> {
    const attempt = ++this.#attempt;
    try {
      const ticket = await ask(client().POST('/api/v1/live/tickets'));
      if (attempt !== this.#attempt) return; // another try has begun meanwhile
      const socket = new WebSocket(ticket.url);
      this.#socket = socket;
      socket.onopen = () => {
        const since = this.#last ? {last_sequence: this.#last} : {};
        socket.send(JSON.stringify({action: 'subscribe', all: true, ...since}));
        this.#ping = window.setInterval(() => socket.send('{"action": "ping"}'), PING_MS);
      };
      socket.onmessage = (event) => this.#hear(JSON.parse(String(event.data)) as Record<string, unknown>);
      socket.onclose = () => {
        clearInterval(this.#ping);
        if (this.#socket === socket) this.#again();
      };
    } catch {
      if (attempt === this.#attempt) this.#again();
    }
  }

  #hear(frame: Record<string, unknown>): void {
    this.heardAt = Date.now();
    if ('specversion' in frame) {
      const notice = frame as unknown as Notice;
      if (notice.sequence > this.#last) this.#last = notice.sequence;
      if (this.#newest.takes(notice)) for (const listener of this.#notices) listener(notice);
    } else if (frame.type === 'subscribed') {
      const again = this.#last !== '';
      if (String(frame.sequence ?? '') > this.#last) this.#last = String(frame.sequence);
      this.state = 'live';
      this.#tries = 0;
      if (!again) for (const listener of this.#resets) listener();
    } else if (frame.type === 'reset') {
      for (const listener of this.#resets) listener();
    } else if (frame.type === 'error' || 'connectionId' in frame) {
      this.#socket?.close();
    }
  }

  #cut(): void {
    this.state = 'offline';
    this.#attempt += 1;
    const socket = this.#socket;
    this.#socket = undefined;
    clearTimeout(this.#timer);
    socket?.close();
  }

  #again(wait?: number): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
    this.state = navigator.onLine ? 'connecting' : 'offline';
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.#connect(), wait ?? pause(this.#tries++));
  }
}

export const live = new Live();
