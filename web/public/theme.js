// The chosen theme, before anything is drawn: no flash of the other one.
try {
  const theme = localStorage.getItem("tunescout.theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // Without storage the system's choice holds.
}
