const MAX_PAUSE_MS = 30_000;

/** Wait so many milliseconds before the next try: a random part of a time that doubles. */
export function pause(tries: number, random = Math.random()): number {
  return Math.min(MAX_PAUSE_MS, 1000 * 2 ** Math.min(tries, 10)) * (0.5 + random / 2);
}
