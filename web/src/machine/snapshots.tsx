/* Snapshots of a machine, as the tree that they are. */
import { Button, Label } from "@patternfly/react-core";
import { path, sh } from "../lib/api";
import { when } from "../lib/format";
import { t } from "../lib/i18n";
import type { List, MachineDetails, Snapshot } from "../lib/model";
import { useResource } from "../lib/store";
import { type Action, useAct } from "../ui/act";
import { str } from "../ui/fields";
import { ActionMenu } from "../ui/menu";
import { ProblemShown } from "../ui/problem";
import { StateLabel } from "./state";

function takeAction(m: MachineDetails): Action {
  const isOn = m.state !== "shutoff";
  return {
    label: t("Take snapshot"),
    fields: [
      { name: "name", label: t("Name"), initial: `snapshot-${(m.snapshots ?? 0) + 1}` },
      { name: "description", label: t("Description"), optional: true },
      { name: "disk_only", label: t("Disks only, without the memory"), kind: "switch", when: () => isOn },
    ],
    calls: (v) => [
      {
        method: "POST",
        path: path`/machines/${m.name}/snapshots`,
        body: { name: str(v, "name"), ...(str(v, "description") && { description: str(v, "description") }), ...(v.disk_only === true && { disk_only: true }) },
        command:
          sh`lodge snapshot-create-as ${m.name} ${str(v, "name")}` +
          (str(v, "description") ? ` ${sh`--description ${str(v, "description")}`}` : "") +
          (v.disk_only ? " --disk-only" : ""),
      },
    ],
  };
}

function snapshotActions(m: MachineDetails, s: Snapshot): Action[] {
  const where = path`/machines/${m.name}/snapshots/${s.name}`;
  return [
    {
      label: t("Revert…"),
      title: t("Revert to {name}?", { name: s.name }),
      question: t("What happened since then is lost."),
      danger: true,
      calls: () => [{ method: "POST", path: `${where}/revert`, body: {}, command: sh`lodge snapshot-revert ${m.name} ${s.name}` }],
    },
    {
      label: t("Delete…"),
      title: t("Delete {names}?", { names: s.name }),
      danger: true,
      fields: [{ name: "children", label: t("Also what was taken after it"), kind: "switch" }],
      calls: (v) => [
        {
          method: "DELETE",
          path: `${where}?children=${v.children === true}`,
          command: sh`lodge snapshot-delete ${m.name} ${s.name}` + (v.children ? " --children" : ""),
        },
      ],
    },
  ];
}

function Branch({ machine: m, all, parent }: { machine: MachineDetails; all: Snapshot[]; parent: string }) {
  const children = all.filter((s) => (s.parent ?? "") === parent);
  if (children.length === 0) return null;
  return (
    <ul className="lodge-tree">
      {children.map((s) => (
        <li key={s.name}>
          <div className="lodge-tree-row">
            <strong>{s.name}</strong>
            {s.current && <Label color="blue" isCompact>{t("current")}</Label>}
            <StateLabel state={s.state} />
            <span className="lodge-note">{when(s.created)}</span>
            <span className="lodge-note">{s.description}</span>
            <ActionMenu kebab label={t("Actions of {name}", { name: s.name })} actions={() => snapshotActions(m, s)} />
          </div>
          <Branch machine={m} all={all} parent={s.name} />
        </li>
      ))}
    </ul>
  );
}

export function Snapshots({ machine: m }: { machine: MachineDetails }) {
  const act = useAct();
  const { data, problem } = useResource<List<Snapshot>>(path`/machines/${m.name}/snapshots`);
  const names = new Set(data?.items.map((s) => s.name));
  const all = (data?.items ?? []).map((s) => (s.parent && !names.has(s.parent) ? { ...s, parent: null } : s));
  return (
    <>
      <Button onClick={() => act(takeAction(m))}>{t("Take snapshot")}</Button>
      {problem && <ProblemShown problem={problem} />}
      {data && all.length === 0 && <p className="lodge-note">{t("There is no snapshot.")}</p>}
      <Branch machine={m} all={all} parent="" />
    </>
  );
}
