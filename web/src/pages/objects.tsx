/* Lists of what the host has besides machines and storage. A kind is a row here: its columns and what can be done. */
import { Spinner, Title, ToolbarItem } from "@patternfly/react-core";
import { type ReactNode, useState } from "react";
import { type Call, path, sh } from "../lib/api";
import { when } from "../lib/format";
import { has } from "../lib/has";
import { t } from "../lib/i18n";
import type { Lease, List, Network } from "../lib/model";
import { go, href } from "../lib/route";
import { useResource } from "../lib/store";
import { el, escape, pretty, text } from "../lib/xml";
import { Facts } from "../machine/hardware";
import { StateLabel } from "../machine/state";
import type { Action } from "../ui/act";
import { XmlDocument } from "../ui/document";
import { type Values, str } from "../ui/fields";
import { ActionButton, ActionMenu } from "../ui/menu";
import { Page } from "../ui/page";
import { ProblemShown } from "../ui/problem";
import { type Column, DataTable } from "../ui/table";
import { ConfirmBridge, bridgeAction, readUnconfirmed } from "./bridge";

interface Kind<Row> {
  /** below /api/v1, and in the address */
  key: string;
  title: string;
  columns: Column<Row>[];
  id: (row: Row) => string;
  actions?: (row: Row) => Action[];
  create?: Action[];
  empty?: string;
  above?: ReactNode;
}

function Objects<Row>({ kind }: { kind: Kind<Row> }) {
  const { data, problem } = useResource<List<Row>>(`/${kind.key}`);
  return (
    <Page title={kind.title} fills>
      {kind.above}
      <DataTable
        name={kind.title}
        rows={data?.items}
        problem={problem}
        columns={kind.columns}
        id={kind.id}
        {...(kind.actions && { rowActions: kind.actions })}
        toolbar={kind.create?.map((action, i) => (
          <ToolbarItem key={action.label}>
            <ActionButton action={action} primary={i === 0} />
          </ToolbarItem>
        ))}
        empty={kind.empty}
      />
    </Page>
  );
}

/** Columns that only show a text. */
function plain<Row>(...columns: [key: string, label: string, value: (row: Row) => string | undefined][]): Column<Row>[] {
  return columns.map(([key, label, value]) => ({ key, label, value, cell: (row) => value(row) || "–" }));
}

export function documentAction(key: string, id: string): Action {
  return { label: t("XML"), calls: () => [], now: () => go(key, id, "xml") };
}

export function removal(key: string, id: string, command: string, question?: string): Action {
  return {
    label: t("Delete…"),
    title: t("Delete {names}?", { names: id }),
    question: question ?? t("This cannot be undone."),
    danger: true,
    calls: () => [{ method: "DELETE", path: path`/${key}/${id}`, command }],
  };
}

/** A document that is typed. */
function fromXml(key: string, label: string, example: string, command: string): Action {
  return {
    label,
    wide: true,
    fields: [{ name: "xml", label: "XML", kind: "area", initial: pretty(example) }],
    calls: (v) => [{ method: "POST", path: `/${key}`, body: { xml: String(v.xml) }, command }],
  };
}

const stores = new Set(["networks", "filters"]);
const definers: Record<string, string> = { networks: "net-define", filters: "nwfilter-define" };

export function ObjectXml({ kind, name }: { kind: string; name: string }) {
  const below = path`/${kind}/${name}/xml`;
  const store = (xml: string): Call => ({ method: "PUT", path: below, body: xml, command: `lodge ${definers[kind]} document.xml` });
  return (
    <Page title={name} below={[{ label: kind, href: `#/${kind}` }]} fills>
      <XmlDocument from={below} label={name} {...(stores.has(kind) && { store })} />
    </Page>
  );
}

/* ---- networks ---- */

export const isActive = (o: { active?: boolean; state?: string }) => o.active ?? (o.state === "active" || o.state === "running");

function networkVerb(n: Network, action: string, command: string): Call {
  return { method: "POST", path: path`/networks/${n.name}/actions/${action}`, body: {}, command: sh`lodge ${command} ${n.name}` };
}

function networkActions(n: Network): Action[] {
  return [
    isActive(n)
      ? { label: t("Stop"), question: t("Its machines lose their connection."), danger: true, calls: () => [networkVerb(n, "stop", "net-destroy")] }
      : { label: t("Start"), calls: () => [networkVerb(n, "start", "net-start")] },
    {
      label: n.autostart ? t("Do not start with the host") : t("Start with the host"),
      calls: () => [
        { method: "PATCH", path: path`/networks/${n.name}`, body: { autostart: !n.autostart }, command: sh`lodge net-autostart ${n.name}` + (n.autostart ? " --disable" : "") },
      ],
    },
    documentAction("networks", n.name),
    { ...removal("networks", n.name, sh`lodge net-undefine ${n.name}`), disabled: isActive(n) ? t("Stop it first.") : undefined },
  ];
}

/** "192.168.100.1/24" with the first and last address for leases of a /24 */
function addressXml(v: Values): string {
  const [address = "", prefix = "24"] = str(v, "address").split("/");
  if (!address) return "";
  const net = address.split(".").slice(0, 3).join(".");
  const range = v.dhcp === true && el("dhcp", {}, el("range", { start: str(v, "start") || `${net}.2`, end: str(v, "end") || `${net}.254` }));
  return el("ip", { address, prefix, family: address.includes(":") && "ipv6" }, range);
}

function createNetwork(): Action {
  const isOwn = (v: Values) => v.forward !== "bridge";
  return {
    label: t("Create network"),
    fields: [
      { name: "name", label: t("Name") },
      {
        name: "forward",
        label: t("Reaches"),
        kind: "select",
        options: [
          { value: "nat", label: t("the outside, with the host's address (NAT)") },
          { value: "route", label: t("the outside, routed") },
          { value: "open", label: t("the outside, without a firewall") },
          { value: "", label: t("only the host and its machines") },
          { value: "bridge", label: t("a bridge of the host") },
        ],
      },
      { name: "bridge", label: t("Bridge"), when: (v) => v.forward === "bridge" },
      { name: "address", label: t("Address of the host"), initial: "192.168.100.1/24", when: isOwn, check: (value) => (/^[0-9a-f.:]+(\/\d+)?$/i.test(String(value)) ? undefined : t("Like 192.168.100.1/24.")) },
      { name: "dhcp", label: t("Give addresses (DHCP)"), kind: "switch", initial: true, when: isOwn },
      { name: "start", label: t("First address"), optional: true, when: (v) => isOwn(v) && v.dhcp === true },
      { name: "end", label: t("Last address"), optional: true, when: (v) => isOwn(v) && v.dhcp === true },
      { name: "domain", label: t("DNS domain"), optional: true, when: isOwn },
      { name: "autostart", label: t("Start with the host"), kind: "switch", initial: true },
    ],
    inOrder: true,
    calls: (v) => {
      const name = str(v, "name");
      const inside = isOwn(v)
        ? str(v, "domain") && el("domain", { name: str(v, "domain") })
        : el("bridge", { name: str(v, "bridge") });
      const xml = pretty(el("network", {}, text("name", name), str(v, "forward") && el("forward", { mode: str(v, "forward") }), inside, isOwn(v) && addressXml(v)));
      return [
        { method: "POST", path: "/networks", body: { xml, start: true }, command: `lodge net-define network.xml; ${sh`lodge net-start ${name}`}` },
        ...(v.autostart ? [{ method: "PATCH", path: path`/networks/${name}`, body: { autostart: true }, command: sh`lodge net-autostart ${name}` } as Call] : []),
      ];
    },
  };
}

export function Networks() {
  const columns: Column<Network>[] = [
    { key: "name", label: t("Name"), value: (n) => n.name, cell: (n) => <a href={href("networks", n.name)}>{n.name}</a> },
    { key: "state", label: t("State"), value: (n) => String(isActive(n)), cell: (n) => <StateLabel state={isActive(n) ? "active" : "inactive"} /> },
    ...plain<Network>(
      ["forward", t("Reaches"), (n) => n.forward],
      ["bridge", t("Bridge"), (n) => n.bridge],
      ["addresses", t("Addresses"), (n) => n.addresses?.join(", ")],
      ["autostart", t("Starts with the host"), (n) => (n.autostart ? t("yes") : t("no"))],
    ),
  ];
  return <Objects kind={{ key: "networks", title: t("Networks"), columns, id: (n) => n.name, actions: networkActions, create: [createNetwork(), fromXml("networks", t("From XML"), "<network><name>mine</name></network>", "lodge net-define network.xml")] }} />;
}

export function NetworkPage({ name }: { name: string }) {
  const { data: n, problem } = useResource<Network>(path`/networks/${name}`);
  const leases = useResource<List<Lease>>(path`/networks/${name}/leases`);
  const below = [{ label: t("Networks"), href: "#/networks" }];
  if (!n) return <Page title={name} below={below}>{problem ? <ProblemShown problem={problem} /> : <Spinner aria-label={t("Loading")} />}</Page>;
  return (
    <Page title={n.name} below={below} beside={<StateLabel state={isActive(n) ? "active" : "inactive"} />} actions={<ActionMenu label={t("Actions")} actions={() => networkActions(n)} />} fills>
      <Facts facts={[[t("Reaches"), n.forward || t("only the host and its machines")], [t("Bridge"), n.bridge], [t("Addresses"), n.addresses?.join(", ") || "–"], [t("Starts with the host"), n.autostart ? t("yes") : t("no")]]} />
      <Title headingLevel="h2" size="lg">{t("Leases")}</Title>
      <DataTable
        name={t("Leases")}
        rows={leases.data?.items}
        problem={leases.problem}
        columns={plain<Lease>(["address", t("Address"), (l) => l.address], ["hostname", t("Host name"), (l) => l.hostname], ["mac", t("MAC address"), (l) => l.mac], ["expires", t("Until"), (l) => when(l.expires)])}
        id={(l) => `${l.mac} ${l.address}`}
      />
    </Page>
  );
}

/* ---- the smaller kinds ---- */

export function Interfaces() {
  type Row = { name: string; mac?: string; active?: boolean; type?: string; addresses?: string[] };
  const verb = (row: Row, action: string, command: string): Call => ({ method: "POST", path: path`/interfaces/${row.name}/actions/${action}`, body: {}, command: sh`lodge ${command} ${row.name}` });
  const columns = plain<Row>(["name", t("Name"), (r) => r.name], ["type", t("Kind"), (r) => r.type], ["mac", t("MAC address"), (r) => r.mac], ["addresses", t("Addresses"), (r) => r.addresses?.join(", ")], ["active", t("Active"), (r) => (r.active ? t("yes") : t("no"))]);
  const actions = (row: Row): Action[] => [
    row.active
      ? { label: t("Stop"), question: t("If this page comes over it, the page is cut off."), danger: true, calls: () => [verb(row, "stop", "iface-destroy")] }
      : { label: t("Start"), calls: () => [verb(row, "start", "iface-start")] },
    documentAction("interfaces", row.name),
    removal("interfaces", row.name, sh`lodge iface-undefine ${row.name}`),
  ];
  const [unconfirmed, setUnconfirmed] = useState(readUnconfirmed);
  const above = unconfirmed && <ConfirmBridge unconfirmed={unconfirmed} done={() => setUnconfirmed(null)} />;
  const example = "<interface type='bridge' name='br0'><start mode='onboot'/><protocol family='ipv4'><dhcp/></protocol><bridge><interface type='ethernet' name='eth0'/></bridge></interface>";
  return <Objects kind={{ key: "interfaces", title: t("Host interfaces"), columns, id: (r) => r.name, actions, above, create: [...(has("POST /host/bridge") ? [bridgeAction(setUnconfirmed)] : []), fromXml("interfaces", t("From XML"), example, "lodge iface-define interface.xml")] }} />;
}

export function NodeDevices() {
  type Row = { name: string; parent?: string; driver?: string; capability?: string; description?: string };
  const columns = plain<Row>(["name", t("Name"), (r) => r.name], ["capability", t("Kind"), (r) => r.capability], ["description", t("Description"), (r) => r.description], ["driver", t("Driver"), (r) => r.driver], ["parent", t("Below"), (r) => r.parent]);
  const verb = (row: Row, action: string, command: string): Call => ({ method: "POST", path: path`/node-devices/${row.name}/actions/${action}`, body: {}, command: sh`lodge ${command} ${row.name}` });
  const actions = (row: Row): Action[] => [
    ...(row.capability === "pci"
      ? [
          { label: t("Detach from the host"), question: t("The host's driver lets go of it, so that a machine can have it."), danger: true, calls: () => [verb(row, "detach", "nodedev-detach")] },
          { label: t("Give back to the host"), calls: () => [verb(row, "reattach", "nodedev-reattach")] },
          { label: t("Reset"), calls: () => [verb(row, "reset", "nodedev-reset")] },
        ]
      : []),
    documentAction("node-devices", row.name),
  ];
  return <Objects kind={{ key: "node-devices", title: t("Host devices"), columns, id: (r) => r.name, actions }} />;
}

export function Filters() {
  type Row = { name: string; uuid?: string };
  const columns: Column<Row>[] = [{ key: "name", label: t("Name"), value: (r) => r.name, cell: (r) => <a href={href("filters", r.name, "xml")}>{r.name}</a> }, ...plain<Row>(["uuid", "UUID", (r) => r.uuid])];
  const actions = (row: Row): Action[] => [documentAction("filters", row.name), removal("filters", row.name, sh`lodge nwfilter-undefine ${row.name}`)];
  const example = "<filter name='mine' chain='root'><filterref filter='clean-traffic'/></filter>";
  return <Objects kind={{ key: "filters", title: t("Filters"), columns, id: (r) => r.name, actions, create: [fromXml("filters", t("Create filter"), example, "lodge nwfilter-define filter.xml")] }} />;
}

const base64 = (text: string) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

export function Secrets() {
  type Row = { uuid: string; usage_type?: string; usage_id?: string; description?: string; private?: boolean };
  const columns = plain<Row>(["usage_id", t("Used for"), (r) => r.usage_id || r.uuid], ["usage_type", t("Kind"), (r) => r.usage_type], ["description", t("Description"), (r) => r.description], ["uuid", "UUID", (r) => r.uuid]);
  const value = (row: Row): Action => ({
    label: t("Set value…"),
    question: t("It is kept encrypted, and never shown again."),
    fields: [{ name: "password", label: t("Value"), kind: "password" }],
    calls: (v) => [{ method: "PUT", path: path`/secrets/${row.uuid}/value`, body: { value: base64(String(v.password)) }, command: sh`lodge secret-set-value ${row.uuid} --interactive` }],
  });
  const actions = (row: Row): Action[] => [value(row), documentAction("secrets", row.uuid), removal("secrets", row.uuid, sh`lodge secret-undefine ${row.uuid}`)];
  const create: Action = {
    label: t("Create secret"),
    fields: [
      { name: "type", label: t("Kind"), kind: "select", options: ["volume", "iscsi", "ceph", "tls", "vtpm"].map((value) => ({ value, label: value })) },
      { name: "usage", label: t("Used for") },
      { name: "description", label: t("Description"), optional: true },
    ],
    calls: (v) => {
      const names: Record<string, string> = { volume: "volume", iscsi: "target", ceph: "name", tls: "name", vtpm: "name" };
      const usage = el("usage", { type: str(v, "type") }, `<${names[str(v, "type")]}>${escape(str(v, "usage"))}</${names[str(v, "type")]}>`);
      const xml = pretty(el("secret", { ephemeral: "no", private: "yes" }, text("description", str(v, "description")), usage));
      return [{ method: "POST", path: "/secrets", body: { xml }, command: "lodge secret-define secret.xml" }];
    },
  };
  return <Objects kind={{ key: "secrets", title: t("Secrets"), columns, id: (r) => r.usage_id || r.uuid, actions, create: [create] }} />;
}
