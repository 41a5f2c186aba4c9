// JSON whose whole numbers beyond 2^53 stay exact. Such a number is kept as a text with a mark in front; a program that
// reads it as a number would show, and send back, another one.

const MARK = '\u0000n:';
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Return the JSON text with each number that JavaScript cannot hold as a marked text. */
export function keepNumbers(json: string): string {
  return json.replace(TOKEN, (token) =>
    token.startsWith('"') || !/^-?\d{16,}$/.test(token) || Number.isSafeInteger(Number(token))
      ? token
      : `"\\u0000n:${token}"`,
  );
}

export function parse(json: string): unknown {
  return JSON.parse(keepNumbers(json));
}

/** Return JSON with marked texts as the numbers they stand for. */
export function stringify(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent)?.replace(/"\\u0000n:(-?\d+)"/g, '$1');
}

export function isExact(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith(MARK);
}

/** Return a marked number as people read it. */
export function digits(value: string): string {
  return value.slice(MARK.length);
}
