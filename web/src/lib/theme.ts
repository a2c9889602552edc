/* Light, dark, or as the system. */
export type Theme = "system" | "light" | "dark";

const KEY = "lodge.theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");

export function theme(): Theme {
  const chosen = localStorage.getItem(KEY);
  return chosen === "light" || chosen === "dark" ? chosen : "system";
}

export function applyTheme(): void {
  const isDark = theme() === "dark" || (theme() === "system" && system.matches);
  document.documentElement.classList.toggle("pf-v6-theme-dark", isDark);
}

export function setTheme(next: Theme): void {
  localStorage.setItem(KEY, next);
  applyTheme();
}

system.addEventListener("change", applyTheme);
