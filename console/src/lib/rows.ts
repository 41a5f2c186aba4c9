// Which rows of a long list are drawn, and into which elements. An element keeps its row for as long as the row is drawn
// and is then drawn into again, so scrolling by one row changes one element.

const OVERSCAN = 5;

export interface Drawn {
  /** The first row that is drawn, and the one behind the last. */
  first: number;
  last: number;
  /** How many elements there are. */
  size: number;
  /** Row `at` is drawn into the element `(at + turn) % size`. */
  turn: number;
}

/** Return what is drawn of `count` rows at a place of the list, after what was drawn `before`. Lengths are pixels. */
export function drawn(before: Drawn | undefined, top: number, height: number, rowHeight: number, count: number): Drawn {
  const size = Math.ceil(height / rowHeight) + 1 + 2 * OVERSCAN;
  const first = Math.max(0, Math.min(Math.floor(top / rowHeight) - OVERSCAN, count - size));
  const last = Math.min(count, first + size);
  if (before && before.first === first && before.last === last && before.size === size) return before;
  return {first, last, size, turn: turnOf(before, first, size)};
}

export function elementOf(at: number, {turn, size}: Drawn): number {
  return (at + turn) % size;
}

/** Return the turn in which rows that stay keep their elements; after a jump none stays, and no element has to move. */
function turnOf(before: Drawn | undefined, first: number, size: number): number {
  if (before?.size !== size) return 0;
  const by = first - before.first;
  if (Math.abs(by) < size) return before.turn;
  return (((before.turn - by) % size) + size) % size;
}
