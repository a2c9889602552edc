/* All machines. */
import { Button, ToolbarItem } from "@patternfly/react-core";
import { bytes, percent } from "../lib/format";
import { t } from "../lib/i18n";
import type { List, Machine } from "../lib/model";
import { go, href } from "../lib/route";
import { useResource } from "../lib/store";
import { Page } from "../ui/page";
import { type Column, DataTable, type Filter } from "../ui/table";
import { bulkActions, machineActions } from "./power";
import { StateLabel, Tag, stateWord } from "./state";

function columns(): Column<Machine>[] {
  return [
    {
      key: "name",
      label: t("Name"),
      value: (m) => `${m.name} ${m.title ?? ""}`,
      cell: (m) => (
        <>
          <a href={href("machines", m.name)}>{m.name}</a>
          {m.title && <div className="lodge-note">{m.title}</div>}
        </>
      ),
      width: 24,
    },
    { key: "state", label: t("State"), value: (m) => stateWord(m.state), cell: (m) => <StateLabel state={m.state} reason={m.reason} />, width: 12 },
    { key: "cpu", label: t("CPU"), value: (m) => m.cpu_percent ?? -1, cell: (m) => (m.state === "running" ? percent(m.cpu_percent) : `${m.vcpus ?? "–"}`), width: 9 },
    {
      key: "memory",
      label: t("Memory"),
      value: (m) => m.memory_bytes ?? 0,
      cell: (m) => (m.memory_used_bytes && m.state === "running" ? `${bytes(m.memory_used_bytes)} / ${bytes(m.memory_bytes)}` : bytes(m.memory_bytes)),
      width: 16,
    },
    { key: "addresses", label: t("Addresses"), value: (m) => (m.addresses ?? []).join(" "), cell: (m) => (m.addresses ?? []).slice(0, 2).join(", ") || "–", width: 18 },
    {
      key: "tags",
      label: t("Tags"),
      value: (m) => (m.tags ?? []).join(" "),
      cell: (m) => (m.tags ?? []).map((tag) => <Tag key={tag} text={tag} />),
      width: 14,
    },
  ];
}

function filters(machines: Machine[]): Filter<Machine>[] {
  const states = [...new Set(machines.map((m) => m.state))];
  const tags = [...new Set(machines.flatMap((m) => m.tags ?? []))].sort();
  return [
    { key: "state", label: t("State"), options: states.map((s) => ({ value: s, label: stateWord(s) })), matches: (m, state) => m.state === state },
    ...(tags.length > 0
      ? [{ key: "tags", label: t("Tags"), options: tags.map((tag) => ({ value: tag, label: tag })), matches: (m: Machine, tag: string) => (m.tags ?? []).includes(tag) }]
      : []),
  ];
}

export function MachineList() {
  const { data, problem } = useResource<List<Machine>>("/machines");
  return (
    <Page title={t("Machines")} fills>
      <DataTable
        name={t("Machines")}
        views="machines"
        rows={data?.items}
        problem={problem}
        columns={columns()}
        id={(m) => m.name}
        rowActions={machineActions}
        bulkActions={bulkActions}
        filters={filters(data?.items ?? [])}
        toolbar={
          <ToolbarItem>
            <Button onClick={() => go("create")}>{t("Create machine")}</Button>
          </ToolbarItem>
        }
        empty={t("Create a machine, or define one with `lodge`: it appears here at once.")}
      />
    </Page>
  );
}
