// Spans of time as people read them.

const DAY = 86_400;
const HOUR = 3_600;
const MINUTE = 60;

/** "3 d 4 h", "4 min 5 s", "250 ms". */
export function duration(seconds: number): string {
  if (seconds <= 0) return '0 s';
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  const parts = partsOf(seconds);
  const first = parts.findIndex(([count]) => count > 0);
  return said(parts.slice(first, first + 2));
}

/** How long after a beginning something is, to the unit that tells it from what is `step` later. All are seconds. */
export function after(seconds: number, step: number): string {
  if (seconds === 0) return '0';
  if (step < 1) return `+${seconds.toFixed(step < 0.01 ? 3 : step < 0.1 ? 2 : 1)} s`;
  return `+${said(partsOf(seconds))}`;
}

export function between(from: string, to: string | number): number {
  return ((typeof to === 'number' ? to : Date.parse(to)) - Date.parse(from)) / 1000;
}

function partsOf(seconds: number): [number, string][] {
  const whole = Math.round(seconds);
  return [
    [Math.floor(whole / DAY), 'd'],
    [Math.floor(whole / HOUR) % 24, 'h'],
    [Math.floor(whole / MINUTE) % 60, 'min'],
    [whole % 60, 's'],
  ];
}

function said(parts: [number, string][]): string {
  return parts
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ');
}
