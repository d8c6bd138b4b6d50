// What opens above the player? A small window behind a button; Escape and a press elsewhere close it.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { IconButton } from "../ui/button";
import type { IconName } from "../ui/icon";

export function Panel({ icon, label, children }: { icon: IconName; label: string; children: ComponentChildren }) {
  const [isOpen, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const panel = useRef<HTMLElement>(null);
  const id = useId();
  useEffect(() => {
    if (!isOpen) return;
    panel.current?.focus();
    const closeOutside = ({ target }: Event) =>
      target instanceof Node && target.isConnected && !root.current?.contains(target) && setOpen(false);
    const closeByKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      setOpen(false);
      root.current?.querySelector("button")?.focus();
    };
    document.addEventListener("pointerdown", closeOutside);
    document.addEventListener("keydown", closeByKey);
    return () => {
      document.removeEventListener("pointerdown", closeOutside);
      document.removeEventListener("keydown", closeByKey);
    };
  }, [isOpen]);
  return (
    <div class="panel-root" ref={root}>
      <IconButton
        icon={icon}
        label={label}
        aria-expanded={isOpen}
        aria-controls={id}
        onClick={() => setOpen(!isOpen)}
      />
      {isOpen && (
        <section class="panel" id={id} ref={panel} aria-label={label} tabIndex={-1}>
          {children}
        </section>
      )}
    </div>
  );
}
