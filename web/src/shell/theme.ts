// Light or dark? What the system says, until somebody chooses here. `public/theme.js` applies it before the first paint.

/** Choose the other one, and remember it. */
export function switchTheme(): void {
  const root = document.documentElement;
  const isDark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem("tunescout.theme", root.dataset.theme);
}
