// Shortcuts of the keyboard. They rest while a person types, or while a dialog is open.

export type Keys = Record<string, (() => unknown) | undefined>;

const PREFIX_MS = 1200;

/** Whether the event is meant for a field, not for a shortcut. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  if (target?.closest?.('dialog')) return true;
  return /^(INPUT|TEXTAREA|SELECT)$/.test(target?.tagName ?? '') || (target?.isContentEditable ?? false);
}

/** Listen until `stop` is called, which is returned. A key of two parts, such as "g t", is pressed one after the other. */
export function keys(map: Keys): () => void {
  let prefix = '';
  let at = 0;
  const listener = (event: KeyboardEvent) => {
    if (event.metaKey || event.ctrlKey || event.altKey || isTyping(event)) return;
    const key = prefix && Date.now() - at < PREFIX_MS ? `${prefix} ${event.key}` : event.key;
    prefix = '';
    const found = map[key];
    if (found) {
      // Enter on a link or a button is that link's or button's.
      if (event.key === 'Enter' && (event.target as HTMLElement).closest('a, button')) return;
      event.preventDefault();
      found();
    } else if (Object.keys(map).some((name) => name.startsWith(`${event.key} `))) {
      prefix = event.key;
      at = Date.now();
    }
  };
  addEventListener('keydown', listener);
  return () => removeEventListener('keydown', listener);
}
