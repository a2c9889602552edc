/* A machine moves to another host. */
import { createElement } from "react";
import { path, sh } from "../lib/api";
import { t } from "../lib/i18n";
import type { Machine } from "../lib/model";
import type { Action } from "../ui/act";
import { type Checked, Checks } from "../ui/checks";
import { type Values, num, str } from "../ui/fields";

/** What is asked for, as members of the request and words of the command. */
const switches: [name: string, word: string][] = [
  ["copy_storage", "--copy-storage-all"],
  ["persistent", "--persistent"],
  ["undefine_source", "--undefinesource"],
  ["auto_converge", "--auto-converge"],
  ["postcopy", "--postcopy"],
];

export function migrateAction(m: Machine): Action {
  const isOn = m.state !== "shutoff" && m.state !== "crashed";
  const order = (v: Values) => ({
    destination: str(v, "destination"),
    ...(isOn && { live: v.live === true }),
    ...Object.fromEntries(switches.filter(([name]) => v[name] === true).map(([name]) => [name, true])),
    ...(num(v, "bandwidth_mib") > 0 && { bandwidth_mib: num(v, "bandwidth_mib") }),
  });
  const spoken = (v: Values) =>
    [sh`lodge migrate ${m.name} ${str(v, "destination")}`, !isOn ? "--offline" : v.live ? "--live" : "--non-live", ...switches.filter(([name]) => v[name] === true).map(([, word]) => word), num(v, "bandwidth_mib") > 0 && `--bandwidth ${num(v, "bandwidth_mib")}`].filter(Boolean).join(" ");
  return {
    label: t("Migrate…"),
    title: t("Move {name} to another host", { name: m.name }),
    submit: t("Migrate"),
    fields: [
      { name: "destination", label: t("Destination"), initial: "qemu+ssh://root@/system", help: t("URI of the daemon there, like qemu+ssh://root@other/system or qemu+tls://other/system.") },
      { name: "live", label: t("The guest runs on meanwhile"), kind: "switch", initial: true, when: () => isOn },
      { name: "copy_storage", label: t("Copy its disks, too"), kind: "switch" },
      { name: "persistent", label: t("Define it there"), kind: "switch", initial: true },
      { name: "undefine_source", label: t("Remove its definition here"), kind: "switch", initial: true },
      { name: "auto_converge", label: t("Slow the guest down if it changes memory faster than it can be sent"), kind: "switch", when: () => isOn },
      { name: "postcopy", label: t("Send the rest after it has moved, if it does not end otherwise"), kind: "switch", when: () => isOn },
      { name: "bandwidth_mib", label: t("At most MiB per second"), kind: "number", min: 0, initial: 0, help: t("0: no limit") },
    ],
    check: {
      label: t("Check"),
      call: (v) => ({ method: "POST", path: path`/machines/${m.name}/migrate-check`, body: { destination: str(v, "destination"), ...(v.copy_storage === true && { copy_storage: true }) }, command: `${spoken(v)} --check` }),
      show: (answer) => createElement(Checks, { checked: (answer as { items?: Checked[] } | null)?.items ?? [] }),
    },
    calls: (v) => [{ method: "POST", path: path`/machines/${m.name}/migrate`, body: order(v), command: spoken(v) }],
  };
}
