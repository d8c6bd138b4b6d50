// Which keys are there? The list behind `?`.
import { signal } from "@preact/signals";
import { Dialog } from "../ui/dialog";
import { keyWords, shortcuts, useShortcut } from "./shortcuts";
import { switchTheme } from "./theme";
import "./shortcut-help.css";

export const isHelpOpen = signal(false);

export function ShortcutHelp() {
  useShortcut({ key: "?", words: "Show this list" }, () => {
    isHelpOpen.value = true;
  });
  useShortcut({ key: "t", words: "Switch between light and dark" }, switchTheme);
  if (!isHelpOpen.value) return null;
  const close = () => {
    isHelpOpen.value = false;
  };
  return (
    <Dialog title="Keyboard shortcuts" onClose={close}>
      <dl class="shortcut-list">
        {shortcuts.value.map((shortcut) => (
          <div key={keyWords(shortcut)}>
            <dt>
              <kbd>{keyWords(shortcut)}</kbd>
            </dt>
            <dd>{shortcut.words}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
