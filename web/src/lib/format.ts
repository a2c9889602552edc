/* Numbers and times as people read them. */
import { language, t } from "./i18n";

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytes(value: number | undefined | null): string {
  if (value === undefined || value === null) return "–";
  let at = 0;
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    at++;
  }
  return `${value >= 100 || Number.isInteger(value) ? Math.round(value) : value.toFixed(1)} ${units[at]}`;
}

export function rate(value: number | undefined | null): string {
  return value === undefined || value === null ? "–" : `${bytes(value)}/s`;
}

/** "20 GiB", "512M", "1.5t"; a number alone counts GiB. @returns bytes, or null for what is no size */
export function parseSize(text: string): number | null {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(b|[kmgtp]?)(?:i?b)?\s*$/i.exec(text);
  if (!match) return null;
  const unit = match[2]!.toLowerCase() || "g";
  return Math.round(Number(match[1]) * 1024 ** "bkmgtp".indexOf(unit));
}

export function percent(value: number | undefined | null): string {
  return value === undefined || value === null ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} %`;
}

export function when(time: string | number | undefined | null): string {
  if (time === undefined || time === null || time === "") return "–";
  const date = new Date(typeof time === "number" ? time * 1000 : time);
  return isNaN(date.getTime()) ? String(time) : date.toLocaleString(language() === "en" ? "en-GB" : "zh-CN");
}

export function duration(seconds: number | undefined): string {
  if (seconds === undefined) return "–";
  const days = Math.floor(seconds / 86400);
  const hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  return days > 0 ? t("{days} d {hours} h", { days, hours }) : t("{hours} h {minutes} min", { hours, minutes });
}

export const byName = new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare;
