// What else can be done with this? A list of actions behind a button; arrows move, Escape closes.
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { IconButton } from "./button";
import { Icon, type IconName } from "./icon";
import "./menu.css";

export interface MenuItem {
  words: string;
  icon?: IconName;
  isDangerous?: boolean;
  onChoose: () => void;
}

export function Menu({ label, items }: { label: string; items: readonly MenuItem[] }) {
  const [isOpen, setOpen] = useState(false);
  const [isUp, setUp] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();
  useEffect(() => {
    if (!isOpen) return;
    list.current?.querySelector("button")?.focus();
    const closeOutside = (event: Event) => !root.current?.contains(event.target as Node) && setOpen(false);
    document.addEventListener("pointerdown", closeOutside);
    return () => document.removeEventListener("pointerdown", closeOutside);
  }, [isOpen]);

  const close = () => {
    setOpen(false);
    root.current?.querySelector("button")?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const buttons = [...(list.current?.querySelectorAll("button") ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + buttons.length, Home: 0, End: buttons.length - 1 }[event.key];
    if (event.key === "Escape") close();
    else if (event.key === "Tab") setOpen(false);
    else if (to !== undefined) buttons[to % buttons.length]?.focus();
    if (event.key === "Escape" || to !== undefined) {
      event.preventDefault();
      event.stopPropagation();
    }
  };
  return (
    <div class="menu" ref={root}>
      <IconButton
        icon="more"
        label={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        aria-controls={id}
        onClick={() => {
          // Where there is more room: the player and the tab bar lie at the bottom.
          setUp((root.current?.getBoundingClientRect().top ?? 0) > innerHeight / 2);
          setOpen(!isOpen);
        }}
      />
      <div
        id={id}
        ref={list}
        class={`menu-list ${isUp ? "menu-up" : ""}`}
        role="menu"
        tabIndex={-1}
        aria-label={label}
        hidden={!isOpen}
        onKeyDown={onKeyDown}
      >
        {isOpen &&
          items.map((item) => (
            <button
              key={item.words}
              type="button"
              role="menuitem"
              tabIndex={-1}
              class={item.isDangerous ? "menu-danger" : ""}
              onClick={() => {
                close();
                item.onChoose();
              }}
            >
              {item.icon && <Icon name={item.icon} size={18} />}
              {item.words}
            </button>
          ))}
      </div>
    </div>
  );
}
