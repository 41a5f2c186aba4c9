// Short messages at the edge of the page, some of which can be undone.

export interface Toast {
  id: number;
  text: string;
  bad: boolean;
  undo: (() => void) | undefined;
}

const SHOWN_MS = 8000;

class Toasts {
  all: Toast[] = $state([]);
  #last = 0;

  show(text: string, {bad = false, undo = undefined as (() => void) | undefined} = {}): void {
    const id = ++this.#last;
    this.all.push({id, text, bad, undo});
    setTimeout(() => this.drop(id), SHOWN_MS);
  }

  drop(id: number): void {
    this.all = this.all.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();
