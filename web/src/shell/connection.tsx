// Is there a network? Said once, out of the way, for as long as there is none.
import { signal } from "@preact/signals";
import { Icon } from "../ui/icon";
import "./connection.css";

/** Whether the browser believes to be connected. */
export const isOnline = signal(navigator.onLine);
addEventListener("online", () => {
  isOnline.value = true;
});
addEventListener("offline", () => {
  isOnline.value = false;
});

export function Connection() {
  return (
    <div role="status" class="connection">
      {!isOnline.value && (
        <p>
          <Icon name="alert" size={18} /> You are offline. What is on the screen stays; we go on when you are back.
        </p>
      )}
    </div>
  );
}
