// A list that is read a page at a time.

export interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}

/** `read` asks for the page at a cursor, or for the first one. Only what was asked for last is shown. */
export class Pages<P extends Page<unknown>> {
  rows: P['items'] = $state.raw([]);
  /** The page that was read last. */
  page: P | undefined = $state.raw();
  error: unknown = $state.raw(null);
  loading = $state(true);

  readonly #read: (where: {cursor?: string}) => Promise<P>;
  #asked = 0;
  #reading: Promise<void> | undefined;
  #went = false;

  constructor(read: (where: {cursor?: string}) => Promise<P>) {
    this.#read = read;
  }

  get next(): string | null {
    return this.page?.next_cursor ?? null;
  }

  /** Read the first page of what is another list than before. */
  async load(): Promise<void> {
    this.loading = true;
    this.rows = [];
    this.page = undefined;
    this.#went = false;
    await this.#take({});
  }

  /** Read the first page of the same list, which stays until then. */
  async again(): Promise<void> {
    await this.#take({});
  }

  /** The same, unless more was asked for, which is not taken away. */
  async refresh(): Promise<void> {
    if (!this.#went && !this.#reading) await this.#take({});
  }

  /** Read on. Asked while it reads, it waits for that. */
  async more(): Promise<void> {
    if (this.#reading) await this.#reading;
    else if (this.next) await this.#take({cursor: this.next});
  }

  async #take(where: {cursor?: string}): Promise<void> {
    const asked = ++this.#asked;
    const reading = (this.#reading = this.#put(where, asked));
    await reading;
    if (this.#reading === reading) this.#reading = undefined;
  }

  async #put(where: {cursor?: string}, asked: number): Promise<void> {
    try {
      const page = await this.#read(where);
      if (asked !== this.#asked) return;
      this.rows = where.cursor ? [...this.rows, ...page.items] : page.items;
      this.page = page;
      this.#went = Boolean(where.cursor);
      this.error = null;
    } catch (error) {
      if (asked === this.#asked) this.error = error;
    } finally {
      if (asked === this.#asked) this.loading = false;
    }
  }
}
