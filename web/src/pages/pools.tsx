/* Storage pools and their volumes. */
import { Progress, Spinner, ToolbarItem } from "@patternfly/react-core";
import { type Call, path, sh, url } from "../lib/api";
import { bytes, when } from "../lib/format";
import { t, tn } from "../lib/i18n";
import type { List, Pool, Volume } from "../lib/model";
import { go, href } from "../lib/route";
import { saveAs } from "../lib/save";
import { useResource } from "../lib/store";
import { el, pretty, text } from "../lib/xml";
import { newVolumeCall, options } from "../machine/devices";
import { Facts } from "../machine/hardware";
import { StateLabel } from "../machine/state";
import type { Action } from "../ui/act";
import { type Values, size, str } from "../ui/fields";
import { ActionButton, ActionMenu } from "../ui/menu";
import { Page } from "../ui/page";
import { ProblemShown } from "../ui/problem";
import { type Column, DataTable } from "../ui/table";
import { documentAction, removal } from "./objects";

const isOn = (p: Pool) => p.state !== "inactive";

function PoolState({ pool: p }: { pool: Pool }) {
  return <StateLabel state={p.state === "running" ? "active" : p.state} note={p.reason ?? undefined} />;
}

function verb(p: Pool, action: string, command: string): Call {
  return { method: "POST", path: path`/pools/${p.name}/actions/${action}`, body: {}, command: sh`lodge ${command} ${p.name}` };
}

function poolActions(p: Pool): Action[] {
  return [
    ...(isOn(p)
      ? [
          { label: t("Refresh"), calls: () => [verb(p, "refresh", "pool-refresh")] },
          { label: t("Stop"), question: t("Its volumes stay; machines cannot start from them until it runs again."), danger: true, calls: () => [verb(p, "stop", "pool-destroy")] },
        ]
      : [
          { label: t("Start"), calls: () => [verb(p, "start", "pool-start")] },
          { label: t("Build"), question: t("This makes what the pool needs: its folder, or its file system."), calls: () => [verb(p, "build", "pool-build")] },
        ]),
    {
      label: p.autostart ? t("Do not start with the host") : t("Start with the host"),
      calls: () => [{ method: "PATCH", path: path`/pools/${p.name}`, body: { autostart: !p.autostart }, command: sh`lodge pool-autostart ${p.name}` + (p.autostart ? " --disable" : "") }],
    },
    documentAction("pools", p.name),
    { ...removal("pools", p.name, sh`lodge pool-undefine ${p.name}`, t("Its volumes stay where they are.")), disabled: isOn(p) ? t("Stop it first.") : undefined, done: () => go("pools") },
  ];
}

function sourceOf(v: Values): string {
  switch (v.type) {
    case "netfs":
      return el("source", {}, el("host", { name: str(v, "host") }), el("dir", { path: str(v, "source") }), el("format", { type: "nfs" }));
    case "iscsi":
      return el("source", {}, el("host", { name: str(v, "host") }), el("device", { path: str(v, "source") }));
    case "logical":
      return el("source", {}, text("name", str(v, "source")));
    case "fs":
    case "disk":
      return el("source", {}, el("device", { path: str(v, "source") }));
    default:
      return "";
  }
}

function createPool(): Action {
  const has = (...types: string[]) => (v: Values) => types.includes(str(v, "type"));
  return {
    label: t("Create pool"),
    fields: [
      { name: "name", label: t("Name") },
      {
        name: "type",
        label: t("Kind"),
        kind: "select",
        options: [
          { value: "dir", label: t("A folder") },
          { value: "fs", label: t("A file system on a block device") },
          { value: "netfs", label: t("A folder of a server (NFS)") },
          { value: "logical", label: t("A volume group (LVM)") },
          { value: "iscsi", label: t("An iSCSI target") },
          { value: "disk", label: t("A whole disk") },
        ],
      },
      { name: "host", label: t("Server"), when: has("netfs", "iscsi") },
      { name: "source", label: t("Source"), help: t("The device, the server's folder, the volume group, or the target."), when: has("fs", "netfs", "logical", "iscsi", "disk") },
      { name: "target", label: t("Path on this host"), initial: "/var/lib/libvirt/images", when: has("dir", "fs", "netfs") },
      { name: "autostart", label: t("Start with the host"), kind: "switch", initial: true },
    ],
    inOrder: true,
    calls: (v) => {
      const name = str(v, "name");
      const paths: Record<string, string> = { logical: `/dev/${str(v, "source")}`, iscsi: "/dev/disk/by-path", disk: "/dev" };
      const target = paths[str(v, "type")] ?? str(v, "target");
      const xml = pretty(el("pool", { type: str(v, "type") }, text("name", name), sourceOf(v), el("target", {}, text("path", target))));
      const command = `lodge pool-define pool.xml; ${sh`lodge pool-start ${name} --build`}`;
      return [
        { method: "POST", path: "/pools", body: { xml, build: true, start: true }, command },
        ...(v.autostart ? [{ method: "PATCH", path: path`/pools/${name}`, body: { autostart: true }, command: sh`lodge pool-autostart ${name}` } as Call] : []),
      ];
    },
  };
}

function Usage({ used, all, label }: { used: number | undefined; all: number | undefined; label: string }) {
  if (!all) return <>–</>;
  const part = Math.round(((used ?? 0) / all) * 100);
  return <Progress value={part} size="sm" aria-label={label} variant={part > 90 ? "danger" : part > 80 ? "warning" : undefined} label={`${bytes(used)} / ${bytes(all)}`} />;
}

export function Pools() {
  const { data, problem } = useResource<List<Pool>>("/pools");
  const columns: Column<Pool>[] = [
    { key: "name", label: t("Name"), value: (p) => p.name, cell: (p) => <a href={href("pools", p.name)}>{p.name}</a>, width: 22 },
    { key: "state", label: t("State"), value: (p) => p.state, cell: (p) => <PoolState pool={p} />, width: 12 },
    { key: "type", label: t("Kind"), value: (p) => p.type, cell: (p) => p.type, width: 10 },
    { key: "usage", label: t("Used"), value: (p) => (p.allocation_bytes ?? 0) / (p.capacity_bytes || 1), cell: (p) => <Usage used={p.allocation_bytes} all={p.capacity_bytes} label={t("Used")} />, width: 30 },
    { key: "path", label: t("Path"), value: (p) => p.path, cell: (p) => p.path ?? "–", width: 26 },
  ];
  return (
    <Page title={t("Storage")} fills>
      <DataTable
        name={t("Storage")}
        rows={data?.items}
        problem={problem}
        columns={columns}
        id={(p) => p.name}
        rowActions={poolActions}
        toolbar={<ToolbarItem><ActionButton action={createPool()} primary /></ToolbarItem>}
      />
    </Page>
  );
}

/* ---- volumes ---- */

const volumePath = (pool: string, volume: string) => path`/pools/${pool}/volumes/${volume}`;

function createVolume(pool: string): Action {
  return {
    label: t("Create volume"),
    fields: [
      { name: "name", label: t("Name") },
      { name: "capacity", label: t("Size"), kind: "size", initial: "20 GiB" },
      { name: "format", label: t("Format"), kind: "select", options: options("qcow2", "raw") },
      { name: "backing", label: t("On top of"), kind: "select", optional: true, options: [{ value: "", label: t("none") }], from: () => path`/pools/${pool}/volumes`, option: (v: Volume) => ({ value: `${v.format ?? "raw"}:${v.path ?? v.name}`, label: v.name }), when: (v) => v.format === "qcow2" },
    ],
    calls: (v) => {
      const [, format, backing] = /^(\w+):(.+)$/.exec(str(v, "backing")) ?? [];
      return [newVolumeCall(pool, str(v, "name"), size(v, "capacity"), str(v, "format"), backing ? { path: backing, format: format! } : undefined)];
    },
  };
}

function uploadAction(pool: string): Action {
  const name = (v: Values) => str(v, "name") || (v.file instanceof File ? v.file.name : "");
  return {
    label: t("Upload"),
    title: t("Upload into {name}", { name: pool }),
    fields: [
      { name: "file", label: t("File"), kind: "file", help: t("What was cut off goes on where it was when the same file is uploaded again.") },
      { name: "name", label: t("Name"), optional: true, help: t("Empty: as the file.") },
    ],
    calls: (v) => [{ method: "POST", path: "/uploads", body: v.file instanceof File ? v.file : undefined, command: sh`lodge vol-upload ${`${pool}/${name(v)}`} ${v.file instanceof File ? v.file.name : "FILE"}` }],
    perform: async (v, progress, signal) => (await import("../lib/upload")).upload(v.file as File, pool, name(v), progress, signal),
  };
}

function volumeActions(pool: string, v: Volume): Action[] {
  const where = volumePath(pool, v.name);
  const spoken = `${pool}/${v.name}`;
  return [
    { label: t("Download"), calls: () => [], now: () => saveAs(url(`${where}/content`), v.name) },
    {
      label: t("Clone…"),
      title: t("Clone {name}", { name: v.name }),
      fields: [{ name: "name", label: t("Name"), initial: `copy-${v.name}` }],
      calls: (f) => [{ method: "POST", path: `${where}/clone`, body: { name: str(f, "name") }, command: sh`lodge vol-clone ${spoken} ${str(f, "name")}` }],
    },
    {
      label: t("Resize…"),
      title: t("Resize {name}", { name: v.name }),
      fields: [{ name: "capacity", label: t("Size"), kind: "size", initial: v.capacity_bytes ? `${+(v.capacity_bytes / 2 ** 30).toFixed(3)} GiB` : "" }],
      calls: (f) => [{ method: "PATCH", path: where, body: { capacity_bytes: size(f, "capacity") }, command: sh`lodge vol-resize ${spoken} ${size(f, "capacity")}` }],
    },
    {
      label: t("Wipe…"),
      question: t("All that it holds is overwritten."),
      danger: true,
      calls: () => [{ method: "POST", path: `${where}/wipe`, body: {}, command: sh`lodge vol-wipe ${spoken}` }],
    },
    deleteVolumes(pool, [v]),
  ];
}

function deleteVolumes(pool: string, volumes: Volume[]): Action {
  const names = volumes.map((v) => v.name).join(", ");
  return {
    label: t("Delete…"),
    title: tn("Delete the volume {names}?", "Delete {n} volumes?", volumes.length, { names }),
    question: t("This cannot be undone."),
    danger: true,
    calls: () => volumes.map((v) => ({ method: "DELETE", path: volumePath(pool, v.name), command: sh`lodge vol-delete ${`${pool}/${v.name}`}` })),
  };
}

/** Asked for volume by volume: the daemon looks into the images of machines for it. */
function UsedBy({ pool, volume }: { pool: string; volume: string }) {
  const { data } = useResource<Volume>(volumePath(pool, volume));
  return (data?.used_by ?? []).map((user) => (
    <a key={user} className="lodge-user" href={href("machines", user)}>{user}</a>
  ));
}

export function PoolPage({ name }: { name: string }) {
  const { data: p, problem } = useResource<Pool>(path`/pools/${name}`);
  const volumes = useResource<List<Volume>>(p && isOn(p) ? path`/pools/${name}/volumes` : null);
  const below = [{ label: t("Storage"), href: "#/pools" }];
  if (!p) return <Page title={name} below={below}>{problem ? <ProblemShown problem={problem} /> : <Spinner aria-label={t("Loading")} />}</Page>;
  const columns: Column<Volume>[] = [
    { key: "name", label: t("Name"), value: (v) => v.name, cell: (v) => v.name, width: 32 },
    { key: "format", label: t("Format"), value: (v) => v.format, cell: (v) => v.format ?? v.type ?? "–", width: 10 },
    { key: "capacity", label: t("Size"), value: (v) => v.capacity_bytes, cell: (v) => bytes(v.capacity_bytes), width: 12 },
    { key: "allocation", label: t("Takes"), value: (v) => v.allocation_bytes, cell: (v) => bytes(v.allocation_bytes), width: 12 },
    { key: "used", label: t("Used by"), cell: (v) => <UsedBy pool={name} volume={v.name} />, width: 20 },
    { key: "modified", label: t("Changed"), value: (v) => v.modified, cell: (v) => when(v.modified), width: 18 },
  ];
  return (
    <Page title={p.name} below={below} beside={<PoolState pool={p} />} actions={<ActionMenu label={t("Actions")} actions={() => poolActions(p)} />} fills>
      <Facts facts={[[t("Kind"), p.type], [t("Path"), p.path], [t("Used"), <Usage key="u" used={p.allocation_bytes} all={p.capacity_bytes} label={t("Used")} />]]} />
      {isOn(p) && (
        <DataTable
          name={t("Volumes")}
          rows={volumes.data?.items}
          problem={volumes.problem}
          columns={columns}
          id={(v) => v.name}
          rowActions={(v) => volumeActions(name, v)}
          bulkActions={(all) => [deleteVolumes(name, all)]}
          toolbar={
            <>
              <ToolbarItem><ActionButton action={createVolume(name)} primary /></ToolbarItem>
              <ToolbarItem><ActionButton action={uploadAction(name)} /></ToolbarItem>
            </>
          }
        />
      )}
    </Page>
  );
}
