// A page on a disk has no switch for its theme: it follows that of the machine.

export function followTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => document.body.classList.toggle("dark", dark.matches);
  dark.addEventListener("change", theme);
  theme();
}
