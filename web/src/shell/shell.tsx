// What stays while pages change? Navigation, the player, messages, and what keys and dropped files do.
import type { ComponentChildren } from "preact";
import { useLocation } from "preact-iso";
import { PlayerSlot } from "../player/slot";
import { routes } from "../routes";
import { isSignedIn } from "../session/session";
import { IconButton } from "../ui/button";
import { Icon, Logo } from "../ui/icon";
import { ToastRegion } from "../ui/toast";
import { UploadBadge, UploadEntrance } from "../uploads/entrance";
import { Connection } from "./connection";
import { DropZone } from "./drop-zone";
import { isHelpOpen, ShortcutHelp } from "./shortcut-help";
import { useShortcut } from "./shortcuts";
import { switchTheme } from "./theme";
import "./shell.css";

export function Shell({ children }: { children: ComponentChildren }) {
  const isMember = isSignedIn.value;
  return (
    <div class={`shell ${isMember ? "" : "shell-bare"}`}>
      <a class="skip-link" href="#content">
        Skip to the content
      </a>
      <header class="shell-head">
        <a class="brand" href="/">
          <Logo />
          <span>Tune Scout</span>
        </a>
        {isMember && <Navigation />}
        <div class="shell-tools">
          <IconButton icon="theme" label="Switch between light and dark" onClick={switchTheme} />
          <IconButton
            class="only-with-keyboard"
            icon="keyboard"
            label="Keyboard shortcuts"
            onClick={() => {
              isHelpOpen.value = true;
            }}
          />
        </div>
      </header>
      <main id="content" tabIndex={-1}>
        {children}
      </main>
      {isMember && <PlayerSlot />}
      {isMember && <DropZone />}
      {isMember && <UploadEntrance />}
      <Connection />
      <ToastRegion />
      <ShortcutHelp />
    </div>
  );
}

function Navigation() {
  const { path, route } = useLocation();
  const present = routes.find((page) => page.path === path)?.within ?? path;
  useShortcut({ key: "r", words: "Recognise what is playing" }, () => {
    if (path !== "/recognise") route("/recognise");
    void import("../pages/recognise/listening").then(({ listen }) => listen());
  });
  return (
    <nav class="navigation" aria-label="Main">
      {routes.map(
        ({ path: to, nav }) =>
          nav && (
            <a key={to} href={to} aria-current={present === to ? "page" : undefined}>
              <Icon name={nav.icon} />
              <span>{nav.words}</span>
              {to === "/upload" && <UploadBadge />}
            </a>
          ),
      )}
    </nav>
  );
}
