// Which keys do something? `useShortcut({ key: "/", words: "Search" }, focusSearch)`, for as long as the component lives.
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

export interface Shortcut {
  /** As `KeyboardEvent.key` has it: "/", " ", "ArrowLeft", "r". Letters in lower case. */
  key: string;
  shift?: boolean;
  /** What it does, for the list behind `?`. */
  words: string;
}

interface Registered extends Shortcut {
  act: (event: KeyboardEvent) => void;
}

/** All that work now; of equal ones the latest wins. */
export const shortcuts = signal<readonly Registered[]>([]);

export function useShortcut({ key, shift, words }: Shortcut, act: (event: KeyboardEvent) => void): void {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    const one = { key, words, act: (event: KeyboardEvent) => latest.current(event), ...(shift ? { shift } : {}) };
    shortcuts.value = [...shortcuts.peek(), one];
    return () => {
      shortcuts.value = shortcuts.peek().filter((each) => each !== one);
    };
  }, [key, shift, words]);
}

/** Do what a key means, unless it means something else where it was pressed. */
export function onKeyDown(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (document.querySelector("dialog[open]") || isTakenBy(event.target, event.key)) return;
  // Signs such as "?" come with shift on some keyboards and without on others.
  const isNamed = event.key.length > 1;
  const key = isNamed ? event.key : event.key.toLowerCase();
  const found = shortcuts.value.findLast(
    (each) => each.key === key && (!isNamed || Boolean(each.shift) === event.shiftKey),
  );
  if (!found) return;
  event.preventDefault();
  found.act(event);
}

function isTakenBy(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.matches("textarea, select")) return true;
  if (target.matches("input")) {
    const type = (target as HTMLInputElement).type;
    return type === "range" ? key.startsWith("Arrow") : !["checkbox", "radio", "button"].includes(type) || key !== "?";
  }
  return key === " " && !isFocusPointed && target.matches("button, a, [role=button], [role=option], summary");
}

// Who clicks a song and presses Space later wants silence, and not that song once more; who goes there by keys presses it.
let isPointing = false;
let isFocusPointed = false;
const point = ({ type }: Event) => {
  isPointing = type === "pointerdown";
};
for (const type of ["pointerdown", "pointerup", "pointercancel"]) addEventListener(type, point, true);
addEventListener("focusin", () => {
  isFocusPointed = isPointing;
});

addEventListener("keydown", onKeyDown);

/** How a key is written on it. */
export function keyWords({ key, shift }: Shortcut): string {
  const names: Record<string, string> = { " ": "Space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };
  return `${shift ? "Shift + " : ""}${names[key] ?? (key.length === 1 ? key.toUpperCase() : key)}`;
}
