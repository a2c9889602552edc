/* Templates: machines that are kept to make others from. */
import { type Call, path, sh } from "../lib/api";
import { bytes, when } from "../lib/format";
import { t } from "../lib/i18n";
import type { List, Machine } from "../lib/model";
import { go } from "../lib/route";
import { useResource } from "../lib/store";
import { madeMachines, numberedNames } from "../machine/power";
import type { Action } from "../ui/act";
import { type Values, num, str } from "../ui/fields";
import { Page } from "../ui/page";
import { DataTable } from "../ui/table";

export interface Template {
  name: string;
  machine?: string;
  disks?: number;
  bytes?: number;
  added?: string;
}

export function keepAction(m: Machine): Action {
  return {
    label: t("Keep as template…"),
    question: t("Its disks are copied to where nothing changes them. The machine stays as it is."),
    fields: [{ name: "name", label: t("Name"), initial: m.name }],
    calls: (v) => [{ method: "POST", path: "/templates", body: { machine: m.name, name: str(v, "name") }, command: sh`lodge template-create ${m.name} --name ${str(v, "name")}` }],
    done: () => go("templates"),
  };
}

export function instantiateCall(template: string, v: Values): Call {
  const { name, count } = numberedNames(str(v, "name"), num(v, "count") || 1);
  return {
    method: "POST",
    path: path`/templates/${template}/machines`,
    body: { name, ...(count && { count }), full: v.full === true, start: v.start === true },
    command: sh`lodge template-instantiate ${template} --name ${name}` + (count ? ` --count ${count}` : "") + (v.full ? " --full" : "") + (v.start ? " --start" : ""),
  };
}

function instantiateAction(template: Template): Action {
  return {
    label: t("Make machines…"),
    title: t("Make machines from {name}", { name: template.name }),
    fields: [
      { name: "name", label: t("Name"), initial: `${template.name}-1` },
      { name: "count", label: t("How many"), kind: "number", initial: 1, min: 1, max: 100 },
      { name: "full", label: t("Copy the disks instead of standing on the template's"), kind: "switch" },
      { name: "start", label: t("Start it at once"), kind: "switch", initial: true },
    ],
    calls: (v) => [instantiateCall(template.name, v)],
    done: madeMachines,
  };
}

export function Templates() {
  const { data, problem } = useResource<List<Template>>("/templates");
  return (
    <Page title={t("Templates")} fills>
      <DataTable<Template>
        name={t("Templates")}
        rows={data?.items}
        problem={problem}
        columns={[
          { key: "name", label: t("Name"), value: (x) => x.name, cell: (x) => x.name },
          { key: "machine", label: t("From"), value: (x) => x.machine, cell: (x) => x.machine ?? "–" },
          { key: "disks", label: t("Disks"), value: (x) => x.disks, cell: (x) => x.disks ?? "–" },
          { key: "bytes", label: t("Size"), value: (x) => x.bytes, cell: (x) => bytes(x.bytes) },
          { key: "added", label: t("Added"), value: (x) => x.added, cell: (x) => when(x.added) },
        ]}
        id={(x) => x.name}
        rowActions={(x) => [
          instantiateAction(x),
          { label: t("Delete…"), title: t("Delete {names}?", { names: x.name }), question: t("Machines that stand on its disks have to be deleted before."), danger: true, calls: () => [{ method: "DELETE", path: path`/templates/${x.name}`, command: sh`lodge image-rm ${x.name}` }] },
        ]}
        empty={t("A machine is kept as a template from its menu.")}
      />
    </Page>
  );
}
