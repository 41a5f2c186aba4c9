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
  #reads = false;
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
    await this.#take({});
  }

  /** Read the first page of the same list, which stays until then. */
  async again(): Promise<void> {
    await this.#take({});
  }

  /** The same, unless more was asked for, which is not taken away. */
  async refresh(): Promise<void> {
    if (!this.#went && !this.#reads) await this.#take({});
  }

  /** Read on. Asked again while it reads, it reads one page. */
  async more(): Promise<void> {
    if (this.next && !this.#reads) await this.#take({cursor: this.next});
  }

  async #take(where: {cursor?: string}): Promise<void> {
    const asked = ++this.#asked;
    this.#reads = true;
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
      if (asked === this.#asked) this.loading = this.#reads = false;
    }
  }
}
