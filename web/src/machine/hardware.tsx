/* Devices of a machine, as its document names them. */
import { DescriptionList, DescriptionListDescription, DescriptionListGroup, DescriptionListTerm, Title } from "@patternfly/react-core";
import { useMemo } from "react";
import { path } from "../lib/api";
import { bytes } from "../lib/format";
import { t } from "../lib/i18n";
import type { Disk, MachineDetails } from "../lib/model";
import { useResource } from "../lib/store";
import { at, parse } from "../lib/xml";
import type { Action } from "../ui/act";
import { ActionButton, ActionMenu } from "../ui/menu";
import { ProblemShown } from "../ui/problem";
import { type DeviceKind, addAction, cpuMemoryAction, deviceKinds, editNicAction, mediumAction, removeAction, resizeAction } from "./devices";
import { bootAction } from "./settings";

function deviceActions(m: MachineDetails, kind: DeviceKind, device: Element, index: number, name: string, definition: Document | undefined): Action[] {
  const target = at(device, "target@dev");
  const info = m.disks?.find((d) => d.target === target);
  const isDrive = ["cdrom", "floppy"].includes(at(device, "@device"));
  return [
    ...(kind.tag === "disk" && isDrive ? [mediumAction(m, device)] : []),
    ...(kind.tag === "disk" && !isDrive ? [resizeAction(m, target, info?.capacity_bytes)] : []),
    ...(kind.tag === "interface" ? [editNicAction(m, device)] : []),
    removeAction(m, kind, device, index, name, definition),
  ];
}

function detailsOf(m: MachineDetails, kind: DeviceKind, device: Element): string {
  if (kind.tag === "disk") {
    const disk: Disk | undefined = m.disks?.find((d) => d.target === at(device, "target@dev"));
    const sizes = disk?.capacity_bytes ? `${bytes(disk.allocation_bytes)} / ${bytes(disk.capacity_bytes)}` : "";
    return [at(device, "target@bus"), at(device, "@device"), at(device, "driver@type"), sizes].filter(Boolean).join(" · ");
  }
  if (kind.tag === "interface") {
    const nic = m.interfaces?.find((i) => i.mac === at(device, "mac@address"));
    const state = at(device, "link@state") === "down" ? t("Cable unplugged") : "";
    return [at(device, "model@type"), nic?.target, ...(nic?.addresses ?? []), state].filter(Boolean).join(" · ");
  }
  return "";
}

export function Hardware({ machine: m }: { machine: MachineDetails }) {
  const { data, problem } = useResource<string>(path`/machines/${m.name}/xml`);
  const next = useResource<string>(m.persistent === false ? null : `${path`/machines/${m.name}/xml`}?inactive=true`).data;
  const doc = useMemo(() => (data ? parse(data).doc : undefined), [data]);
  const definition = useMemo(() => (next ? parse(next).doc : undefined), [next]);
  const devices = useMemo(() => {
    const all = [...(doc?.documentElement.children ?? [])].find((e) => e.tagName === "devices");
    return [...(all?.children ?? [])];
  }, [doc]);
  return (
    <>
      <div className="lodge-actions">
        <ActionMenu label={t("Add device")} actions={deviceKinds.map((kind) => addAction(m, kind, definition))} />
        <ActionButton action={cpuMemoryAction(m)} />
        {definition && <ActionButton action={bootAction(m, definition)} />}
      </div>
      {problem && <ProblemShown problem={problem} />}
      {deviceKinds.map((kind) => {
        const found = devices.filter((d) => d.tagName === kind.tag);
        if (found.length === 0) return null;
        return (
          <section key={kind.tag} className="lodge-devices">
            <Title headingLevel="h2" size="md">{kind.label()}</Title>
            {found.map((device, i) => {
              const name = kind.describe(device).trim() || kind.label();
              return (
                <div className="lodge-device" key={`${i} ${name}`}>
                  <span>{name}</span>
                  <span className="lodge-note">{detailsOf(m, kind, device)}</span>
                  <ActionMenu kebab label={t("Actions of {name}", { name })} actions={() => deviceActions(m, kind, device, i, name, definition)} />
                </div>
              );
            })}
          </section>
        );
      })}
    </>
  );
}

export function Facts({ facts }: { facts: [string, React.ReactNode][] }) {
  return (
    <DescriptionList isHorizontal isCompact horizontalTermWidthModifier={{ default: "14ch" }}>
      {facts.map(([name, value]) => (
        <DescriptionListGroup key={name}>
          <DescriptionListTerm>{name}</DescriptionListTerm>
          <DescriptionListDescription>{value ?? "–"}</DescriptionListDescription>
        </DescriptionListGroup>
      ))}
    </DescriptionList>
  );
}
