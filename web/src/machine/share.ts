/* Who else may use a machine, and how its screen is reached without this page. */
import { path, url } from "../lib/api";
import { t } from "../lib/i18n";
import type { Machine } from "../lib/model";
import { saveAs } from "../lib/save";
import type { Action } from "../ui/act";
import { num, str } from "../ui/fields";

const HOUR_S = 3600;

export function viewerFileAction(m: Machine): Action {
  return { label: t("File for virt-viewer"), calls: () => [], now: () => saveAs(url(path`/machines/${m.name}/screen.vv`), `${m.name}.vv`) };
}

/** A link by which somebody without an account sees the screen. */
export function shareAction(m: Machine): Action {
  return {
    label: t("Share the screen…"),
    question: t("Whoever has the link sees the screen, and can do nothing. It ends by itself, or under Users and tokens."),
    fields: [{ name: "hours", label: t("Valid for hours"), kind: "number", initial: 1, min: 1, max: 720 }],
    submit: t("Make link"),
    calls: (v) => [{ method: "POST", path: path`/machines/${m.name}/consoles`, body: { kind: "vnc", view_only: true, share: true, expires_s: num(v, "hours") * HOUR_S }, command: "" }],
    remark: (answer) => (answer as { link?: string } | null)?.link,
  };
}

export function ownerAction(m: Machine): Action {
  return {
    label: t("Owner…"),
    question: t("An owner uses this machine as an operator, whatever the role is elsewhere."),
    fields: [{ name: "owner", label: t("Owner"), kind: "suggest", optional: true, initial: m.owner ?? "", from: () => "/users", option: (u: { name: string }) => ({ value: u.name, label: u.name }), help: t("Empty: nobody.") }],
    calls: (v) => [{ method: "PUT", path: path`/machines/${m.name}/owner`, body: { owner: str(v, "owner") || null }, command: "" }],
  };
}
