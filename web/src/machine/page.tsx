/* One machine: what it is and does, in tabs. */
import { Spinner, Tab, TabTitleText, Tabs } from "@patternfly/react-core";
import { lazy, Suspense, useState } from "react";
import { path, sh } from "../lib/api";
import { has } from "../lib/has";
import { t } from "../lib/i18n";
import type { MachineDetails } from "../lib/model";
import { go } from "../lib/route";
import { useResource } from "../lib/store";
import { XmlDocument } from "../ui/document";
import { ActionButton, ActionMenu } from "../ui/menu";
import { Page } from "../ui/page";
import { ProblemShown } from "../ui/problem";
import { Backups } from "../pages/backups";
import { JournalTable } from "../pages/journal";
import { MachineGraphs } from "./graphs";
import { GuestTab } from "./guest";
import { Hardware } from "./hardware";
import { Overview } from "./overview";
import { Pending } from "./pending";
import { machineActions } from "./power";
import { Snapshots } from "./snapshots";
import { StateLabel } from "./state";

const VncConsole = lazy(() => import("./console_vnc"));
const CommandLine = lazy(() => import("./command"));
const SerialConsole = lazy(() => import("./console_serial"));

interface Shown {
  machine: MachineDetails;
}

function Definition({ machine: m }: Shown) {
  const below = path`/machines/${m.name}/xml`;
  return (
    <XmlDocument
      from={`${below}?inactive=${m.persistent !== false}`}
      label={t("Definition of {name}", { name: m.name })}
      store={(xml) => ({ method: "PUT", path: below, body: xml, command: sh`lodge edit ${m.name}` })}
      check={(xml) => ({ method: "PUT", path: `${below}?dry_run=true`, body: xml, command: "lodge define machine.xml --validate" })}
    />
  );
}

type Parts = [key: string, label: string, part: (shown: Shown) => React.ReactNode][];

/** A tab for which the daemon needs @route. */
function tab(key: string, label: string, part: (shown: Shown) => React.ReactNode, route: string): Parts {
  return has(route) ? [[key, label, part]] : [];
}

function tabs(m: MachineDetails): Parts {
  return [
    ["", t("Overview"), Overview],
    ["console", t("Screen"), VncConsole as never],
    ["serial", t("Serial console"), SerialConsole as never],
    ["hardware", t("Hardware"), Hardware],
    ["snapshots", t("Snapshots"), Snapshots],
    ["graphs", t("Graphs"), MachineGraphs],
    ...tab("backups", t("Backups"), Backups, "GET /machines/{machine}/backups"),
    ...tab("guest", t("Guest"), GuestTab, "GET /machines/{machine}/guest"),
    ["events", t("Events"), ({ machine }) => <JournalTable machine={machine} />],
    ...(m.pending ? [["pending", t("Pending changes"), Pending] as [string, string, typeof Pending]] : []),
    ["xml", t("XML"), Definition],
    ...tab("command", t("QEMU command line"), CommandLine as never, "GET /machines/{machine}/command-line"),
  ];
}

export function MachinePage({ name, tab }: { name: string; tab: string }) {
  const { data: found, problem } = useResource<MachineDetails>(path`/machines/${name}`);
  const [last, setLast] = useState<MachineDetails>();
  if (found && found !== last) setLast(found);
  const m = found ?? (last?.name === name ? last : undefined);
  const below = [{ label: t("Machines"), href: "#/machines" }];
  if (!m || problem?.status === 404)
    return (
      <Page title={name} below={below}>
        {problem ? <ProblemShown problem={problem} /> : <Spinner aria-label={t("Loading")} />}
      </Page>
    );
  const all = tabs(m);
  const Shown = (all.find(([key]) => key === tab) ?? all[0]!)[2] as React.ComponentType<Shown>;
  const actions = machineActions(m);
  const [first, second] = actions;
  return (
    <Page
      title={m.name}
      below={below}
      beside={<StateLabel state={m.state} reason={m.reason} />}
      actions={
        <>
          {first && <ActionButton action={first} primary={m.state === "shutoff"} />}
          {second && m.state !== "shutoff" && <ActionButton action={second} />}
          <ActionMenu label={t("Actions")} actions={() => machineActions(m)} />
        </>
      }
      fills
    >
      <Tabs activeKey={tab} onSelect={(_, key) => go("machines", m.name, ...(key === "" ? [] : [String(key)]))} aria-label={t("Parts of the machine")}>
        {all.map(([key, label]) => (
          <Tab key={key} eventKey={key} tabContentId="part" title={<TabTitleText>{label}</TabTitleText>} aria-label={label} />
        ))}
      </Tabs>
      <div className="lodge-tab" id="part">
        <Suspense fallback={<Spinner aria-label={t("Loading")} />}>
          <Shown machine={m} />
        </Suspense>
      </div>
    </Page>
  );
}
