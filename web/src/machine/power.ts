/* What can be done with a whole machine, or with many at once. */
import { type Call, path, sh } from "../lib/api";
import { has } from "../lib/has";
import { t, tn } from "../lib/i18n";
import type { Machine } from "../lib/model";
import { go } from "../lib/route";
import type { Action } from "../ui/act";
import { type Values, num, str } from "../ui/fields";
import { keepAction } from "../pages/templates";
import { migrateAction } from "./migrate";
import { ownerAction, shareAction, viewerFileAction } from "./share";

interface Verb {
  label: () => string;
  /** of the REST interface, and of `lodge` */
  action: string;
  command: string;
  /** states of a machine in which it makes sense */
  in: (m: Machine) => boolean;
  danger?: boolean;
}

const isOff = (m: Machine) => m.state === "shutoff" || m.state === "crashed";
const isOn = (m: Machine) => !isOff(m);
const isPaused = (m: Machine) => m.state === "paused" || m.state === "pmsuspended";

const verbs: Verb[] = [
  { label: () => t("Start"), action: "start", command: "start", in: isOff },
  { label: () => t("Resume"), action: "resume", command: "resume", in: isPaused },
  { label: () => t("Shut down"), action: "shutdown", command: "shutdown", in: (m) => m.state === "running" || m.state === "blocked" },
  { label: () => t("Reboot"), action: "reboot", command: "reboot", in: (m) => m.state === "running" },
  { label: () => t("Pause"), action: "suspend", command: "suspend", in: (m) => m.state === "running" },
  { label: () => t("Save and stop"), action: "save", command: "managedsave", in: isOn },
  { label: () => t("Discard saved memory"), action: "managed-save-remove", command: "managedsave-remove", in: (m) => m.has_managed_save === true && isOff(m), danger: true },
  { label: () => t("Reset"), action: "reset", command: "reset", in: isOn, danger: true },
  { label: () => t("Power off"), action: "destroy", command: "destroy", in: isOn, danger: true },
];

const questions: Record<string, () => string> = {
  reset: () => t("This is like the reset button: what the guest has not written is lost."),
  destroy: () => t("This is like pulling the plug: what the guest has not written is lost."),
  "managed-save-remove": () => t("The saved memory is deleted; the next start boots anew."),
};

function powerCall(m: Machine, verb: Verb): Call {
  return { method: "POST", path: path`/machines/${m.name}/actions/${verb.action}`, body: {}, command: sh`lodge ${verb.command} ${m.name}` };
}

export function powerActions(machines: Machine[]): Action[] {
  return verbs
    .filter((verb) => machines.some(verb.in))
    .map((verb) => ({
      label: verb.label(),
      ...(questions[verb.action] && { question: questions[verb.action]!(), danger: true }),
      calls: () => machines.filter(verb.in).map((m) => powerCall(m, verb)),
    }));
}

/** Disks that a deletion left, and why. */
function keptDisks(answer: unknown): string | undefined {
  const kept = (answer as { kept?: { path?: string; problem?: string }[] } | null)?.kept ?? [];
  return kept.map((k) => `${k.path}: ${k.problem}`).join("; ") || undefined;
}

export function deleteAction(machines: Machine[], done?: () => void): Action {
  const names = machines.map((m) => m.name).join(", ");
  const isRunning = machines.some(isOn);
  return {
    label: t("Delete…"),
    title: tn("Delete the machine {names}?", "Delete {n} machines?", machines.length, { names }),
    question: t("This cannot be undone."),
    danger: true,
    fields: [
      ...(isRunning ? [{ name: "stop", label: t("Power off first"), kind: "switch" as const, initial: true }] : []),
      { name: "storage", label: t("Delete its disks, too"), kind: "switch", initial: false },
      { name: "snapshots", label: t("Forget its snapshots"), kind: "switch", initial: true },
      { name: "nvram", label: t("Delete the variables of its firmware"), kind: "switch", initial: true },
    ],
    inOrder: true,
    remark: keptDisks,
    calls: (v) =>
      machines.flatMap((m) => {
        const query = `storage=${v.storage ? "all" : "none"}&snapshots=${v.snapshots}&nvram=${v.nvram}&managed_save=true`;
        const words = `${v.storage ? " --remove-all-storage" : ""}${v.snapshots ? " --snapshots-metadata" : ""}${v.nvram ? " --nvram" : ""} --managed-save`;
        const remove: Call = { method: "DELETE", path: `${path`/machines/${m.name}`}?${query}`, command: sh`lodge undefine ${m.name}` + words };
        const stop = verbs.find((verb) => verb.action === "destroy")!;
        const gone = m.persistent === false ? [] : [remove];
        return v.stop && isOn(m) ? [powerCall(m, stop), ...gone] : gone;
      }),
    ...(done && { done }),
  };
}

/** Several machines are named by a pattern. */
export function numberedNames(name: string, count: number): { name: string; count?: number } {
  if (count <= 1) return { name };
  return { name: /%\d*d/.test(name) ? name : `${name}-%d`, count };
}

/** Goes to the machine that was made; to the list if there are more. */
export function madeMachines(answer: unknown, v: Values): void {
  const made = (answer as { made?: string[] } | null)?.made ?? [str(v, "name")];
  go("machines", ...(made.length === 1 ? made : []));
}

export function cloneCall(original: string, v: Values): Call {
  const { name, count } = numberedNames(str(v, "name"), num(v, "count") || 1);
  if (!has("GET /templates")) return { method: "POST", path: path`/machines/${original}/clone`, body: { name, linked: v.linked === true }, command: sh`lodge clone ${original} --name ${name}` };
  const body = { name, linked: v.linked === true, ...(count && { count }), ...(v.start === true && { start: true }) };
  const words = (count ? ` --count ${count}` : "") + (v.linked ? " --linked" : "") + (v.start ? " --start" : "");
  return { method: "POST", path: path`/machines/${original}/clone`, body, command: sh`lodge clone ${original} --name ${name}` + words };
}

export function cloneAction(m: Machine): Action {
  return {
    label: t("Clone…"),
    title: t("Clone {name}", { name: m.name }),
    fields: [
      { name: "name", label: t("Name"), initial: `${m.name}-clone`, help: t("With more than one, %d stands for the number.") },
      { name: "count", label: t("How many"), kind: "number", initial: 1, min: 1, max: 100 },
      { name: "linked", label: t("Linked: disks on top of the original's, made at once"), kind: "switch" },
      { name: "start", label: t("Start it at once"), kind: "switch" },
    ],
    calls: (v) => [cloneCall(m.name, v)],
    done: madeMachines,
  };
}

function patch(m: Machine, body: Record<string, unknown>, command: string): Call {
  return { method: "PATCH", path: path`/machines/${m.name}`, body, command };
}

export function autostartAction(machines: Machine[]): Action {
  const on = !machines.every((m) => m.autostart);
  return {
    label: on ? t("Start with the host") : t("Do not start with the host"),
    calls: () => machines.map((m) => patch(m, { autostart: on }, sh`lodge autostart ${m.name}` + (on ? "" : " --disable"))),
  };
}

export function renameAction(m: Machine): Action {
  return {
    label: t("Rename…"),
    title: t("Rename {name}", { name: m.name }),
    fields: [{ name: "name", label: t("Name"), initial: m.name }],
    disabled: isOn(m) ? t("Only a machine that is shut off can be renamed.") : undefined,
    calls: (v) => [patch(m, { name: str(v, "name") }, sh`lodge domrename ${m.name} ${str(v, "name")}`)],
    done: (_, v) => go("machines", str(v, "name")),
  };
}

export function describeAction(m: Machine): Action {
  return {
    label: t("Title and notes…"),
    fields: [
      { name: "title", label: t("Title"), initial: m.title ?? "", optional: true },
      { name: "description", label: t("Notes"), kind: "area", initial: m.description ?? "", optional: true },
    ],
    calls: (v) => [
      patch(
        m,
        { title: str(v, "title"), description: str(v, "description") },
        `${sh`lodge desc ${m.name} --title ${str(v, "title")}`}; ${sh`lodge desc ${m.name} ${str(v, "description")}`}`,
      ),
    ],
  };
}

export function machineActions(m: Machine): Action[] {
  return [
    ...powerActions([m]),
    cloneAction(m),
    ...(has("POST /templates") ? [keepAction(m)] : []),
    ...(has("POST /machines/{machine}/migrate") ? [migrateAction(m)] : []),
    ...(isOn(m) && has("GET /machines/{machine}/screen.vv") ? [viewerFileAction(m)] : []),
    ...(isOn(m) && has("POST /shared-screens") ? [shareAction(m)] : []),
    ...(has("PUT /machines/{machine}/owner") ? [ownerAction(m)] : []),
    autostartAction([m]),
    renameAction(m),
    describeAction(m),
    deleteAction([m], () => location.hash.startsWith("#/machines/") && go("machines")),
  ];
}

export function bulkActions(machines: Machine[]): Action[] {
  return [...powerActions(machines), autostartAction(machines), deleteAction(machines)];
}
