// What has just happened? One short sentence at a time, read out, with one thing to do about it.
import { signal } from "@preact/signals";
import { Button, IconButton } from "./button";
import "./toast.css";

export interface Toast {
  words: string;
  /** One way out, such as "Undo". */
  action?: { words: string; onChoose: () => void };
  /** How long it stays, in milliseconds; it stays longer while it is pointed at. */
  lifeMs?: number;
}

const shown = signal<(Toast & { id: number }) | null>(null);
let lastId = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Tell something. The next one takes its place. Returns how to take it back. */
export function toast(toast: Toast): () => void {
  const id = ++lastId;
  shown.value = { ...toast, id };
  hideLater(id, toast.lifeMs ?? 6000);
  return () => hide(id);
}

function hide(id: number): void {
  if (shown.value?.id === id) shown.value = null;
}

function hideLater(id: number, lifeMs: number): void {
  clearTimeout(timer);
  timer = setTimeout(() => hide(id), lifeMs);
}

/** The one place where toasts appear; the shell has it. */
export function ToastRegion() {
  const toast = shown.value;
  return (
    <section class="toasts" aria-label="Messages" aria-live="polite">
      {toast && (
        // biome-ignore lint/a11y/noStaticElementInteractions: it stays while somebody reads it.
        <div
          class="toast"
          key={toast.id}
          onMouseEnter={() => clearTimeout(timer)}
          onFocusIn={() => clearTimeout(timer)}
          onMouseLeave={() => hideLater(toast.id, 3000)}
        >
          <p>{toast.words}</p>
          {toast.action && (
            <Button
              look="quiet"
              onClick={() => {
                hide(toast.id);
                toast.action?.onChoose();
              }}
            >
              {toast.action.words}
            </Button>
          )}
          <IconButton icon="close" label="Dismiss" onClick={() => hide(toast.id)} />
        </div>
      )}
    </section>
  );
}
