// Which pages are there? One line each; what a line names is loaded when somebody goes there.
import type { ComponentType } from "preact";
import type { IconName } from "./ui/icon";

export interface PageEntry {
  /** As preact-iso has it: `/songs/:id`. The page reads the rest by `useRoute().params`. */
  path: string;
  /** Who may open it; `strangers` who are signed in already are sent to the library. */
  access: "members" | "strangers";
  /** How it is called in the navigation, if it is there. */
  nav?: { words: string; icon: IconName };
  /** The page of the navigation that it belongs to, if it is not there itself. */
  within?: string;
  load: () => Promise<{ default: ComponentType }>;
}

export const routes: readonly PageEntry[] = [
  {
    path: "/",
    access: "members",
    nav: { words: "Library", icon: "library" },
    load: () => import("./pages/library/library"),
  },
  { path: "/artists", access: "members", within: "/", load: () => import("./pages/library/artists") },
  { path: "/albums", access: "members", within: "/", load: () => import("./pages/library/albums") },
  {
    path: "/recognise",
    access: "members",
    nav: { words: "Recognise", icon: "recognise" },
    load: () => import("./pages/recognise/recognise"),
  },
  {
    path: "/upload",
    access: "members",
    nav: { words: "Upload", icon: "upload" },
    load: () => import("./pages/upload/upload"),
  },
  {
    path: "/equalizer",
    access: "members",
    nav: { words: "Equalizer", icon: "tune" },
    load: () => import("./pages/equalizer/equalizer"),
  },
  {
    path: "/account",
    access: "members",
    nav: { words: "Account", icon: "account" },
    load: () => import("./pages/account/account"),
  },
  { path: "/login", access: "strangers", load: () => import("./pages/enter/login") },
  { path: "/signup", access: "strangers", load: () => import("./pages/enter/signup") },
];
