/* Backups: of one machine, and by the repositories that hold them. */
import { ToolbarItem } from "@patternfly/react-core";
import { type Call, path, sh } from "../lib/api";
import { bytes, when } from "../lib/format";
import { t } from "../lib/i18n";
import type { List, Machine } from "../lib/model";
import { go, href } from "../lib/route";
import { useResource } from "../lib/store";
import { poolField } from "../machine/devices";
import type { Action } from "../ui/act";
import { type Field, type Values, str } from "../ui/fields";
import { ActionButton } from "../ui/menu";
import { Page } from "../ui/page";
import { type Column, DataTable } from "../ui/table";

interface Repository {
  name: string;
  path: string;
}

interface Backup {
  repository: string;
  machine: string;
  point: string;
  time?: string;
  bytes?: number;
  added_bytes?: number;
  kind?: string;
  state?: string;
  disks?: string[];
}

const repositoryField = (): Field => ({
  name: "repository",
  label: t("Repository"),
  kind: "select",
  from: () => "/backup-repositories",
  option: (r: Repository) => ({ value: r.name, label: `${r.name} (${r.path})` }),
});

/** The folder of a repository, which commands name it by. */
type FolderOf = (repository: string) => string;

function useFolders(): FolderOf {
  const { data } = useResource<List<Repository>>("/backup-repositories");
  return (repository) => data?.items.find((r) => r.name === repository)?.path ?? repository;
}

function backUpAction(m: Machine, folder: FolderOf): Action {
  return {
    label: t("Back up now"),
    title: t("Back up {name}", { name: m.name }),
    question: t("A machine that runs goes on meanwhile; only what changed is read."),
    fields: [
      repositoryField(),
      { name: "full", label: t("Read everything, not only what changed"), kind: "switch" },
      { name: "quiesce", label: t("The guest's agent holds its file systems still for a moment"), kind: "switch", when: () => m.state === "running" },
      { name: "exclude", label: t("Leave out the disks"), optional: true, help: t("Targets like vdb, with spaces in between.") },
    ],
    calls: (v) => {
      const exclude = str(v, "exclude").split(/[\s,]+/).filter(Boolean);
      const words = (v.full ? " --full" : "") + (v.quiesce ? " --quiesce" : "") + exclude.map((disk) => ` ${sh`--exclude ${disk}`}`).join("");
      return [
        {
          method: "POST",
          path: path`/machines/${m.name}/backups`,
          body: { repository: str(v, "repository"), ...(v.full === true && { full: true }), ...(v.quiesce === true && { quiesce: true }), ...(exclude.length > 0 && { exclude }) },
          command: sh`lodge backup-create ${m.name} ${folder(str(v, "repository"))}` + words,
        },
      ];
    },
  };
}

/** Where a backup is reached: below its machine, or, as that may be gone, below its repository. */
function pathOf(b: Backup, machine: string | undefined): string {
  return machine ? path`/machines/${machine}/backups/${b.point}` : path`/backup-repositories/${b.repository}/backups/${b.point}`;
}

function restoreAction(b: Backup, machine: string | undefined, folder: FolderOf): Action {
  const isNew = (v: Values) => v.as === "new";
  return {
    label: t("Restore…"),
    title: t("Restore {name} as it was at {time}", { name: b.machine, time: when(b.time) }),
    fields: [
      { name: "as", label: t("Restore"), kind: "select", initial: "new", options: [{ value: "new", label: t("as a new machine") }, { value: "same", label: t("over the machine, which must be off") }] },
      { name: "name", label: t("Name"), initial: `${b.machine}-restored`, when: isNew },
      { ...poolField, label: t("Pool of the disks"), when: isNew },
    ],
    danger: true,
    calls: (v) => {
      const words = isNew(v) ? ` ${sh`--as ${str(v, "name")} --pool ${str(v, "pool")}`}` : "";
      const wanted = isNew(v) ? { name: str(v, "name"), pool: str(v, "pool") } : {};
      return [{ method: "POST", path: `${pathOf(b, machine)}/restore`, body: machine ? { repository: b.repository, ...wanted } : wanted, command: sh`lodge backup-restore ${folder(b.repository)} ${b.point}` + words }];
    },
    done: (answer) => {
      const made = (answer as { machine?: string } | null)?.machine;
      if (made) go("machines", made);
    },
  };
}

function backupActions(b: Backup, machine: string | undefined, folder: FolderOf): Action[] {
  const remove: Call = { method: "DELETE", path: `${pathOf(b, machine)}?repository=${encodeURIComponent(b.repository)}`, command: sh`lodge backup-prune ${folder(b.repository)} --remove ${b.point}` };
  if (!machine) return [restoreAction(b, machine, folder)];
  return [
    restoreAction(b, machine, folder),
    {
      label: t("Verify…"),
      question: t("Every byte of it is read back."),
      fields: [{ name: "boot", label: t("Boot it, too, without a network"), kind: "switch" }],
      calls: (v) => [{ method: "POST", path: `${pathOf(b, machine)}/verify`, body: { repository: b.repository, ...(v.boot === true && { boot: true }) }, command: sh`lodge backup-verify ${folder(b.repository)} ${b.point}` + (v.boot ? " --boot" : "") }],
      remark: (answer) => {
        const found = answer as { good?: boolean; problems?: (string | { detail?: string })[] } | null;
        if (found?.good === undefined) return undefined;
        return found.good ? t("It is whole.") : (found.problems ?? []).map((p) => (typeof p === "string" ? p : (p.detail ?? ""))).join("; ");
      },
    },
    { label: t("Delete…"), title: t("Delete {names}?", { names: b.point }), question: t("This cannot be undone."), danger: true, calls: () => [remove] },
  ];
}

function columns(withMachine: boolean): Column<Backup>[] {
  const kinds: Record<string, string> = { full: t("full"), incremental: t("incremental") };
  const states: Record<string, string> = { stopped: t("while it was off"), quiesced: t("file systems held still"), crash: t("as after a power cut") };
  return [
    { key: "time", label: t("Time"), value: (b) => b.time, cell: (b) => when(b.time), width: 20 },
    ...(withMachine ? [{ key: "machine", label: t("Machine"), value: (b: Backup) => b.machine, cell: (b: Backup) => <a href={href("machines", b.machine)}>{b.machine}</a>, width: 16 }] : [{ key: "repository", label: t("Repository"), value: (b: Backup) => b.repository, cell: (b: Backup) => b.repository, width: 14 }]),
    { key: "point", label: t("Backup"), value: (b) => b.point, cell: (b) => <code>{b.point}</code>, width: 22 },
    { key: "kind", label: t("Kind"), value: (b) => b.kind, cell: (b) => kinds[b.kind ?? ""] ?? b.kind ?? "–", width: 12 },
    { key: "state", label: t("Taken"), value: (b) => b.state, cell: (b) => states[b.state ?? ""] ?? b.state ?? "–", width: 14 },
    { key: "bytes", label: t("Size"), value: (b) => b.bytes, cell: (b) => `${bytes(b.bytes)}${b.added_bytes == null ? "" : ` (+${bytes(b.added_bytes)})`}`, width: 16 },
  ];
}

export function Backups({ machine: m }: { machine: Machine }) {
  const { data, problem } = useResource<List<Backup>>(path`/machines/${m.name}/backups`);
  const folder = useFolders();
  return (
    <DataTable
      name={t("Backups")}
      rows={data?.items}
      problem={problem}
      columns={columns(false)}
      id={(b) => b.point}
      rowActions={(b) => backupActions(b, m.name, folder)}
      toolbar={<ToolbarItem><ActionButton action={backUpAction(m, folder)} primary /></ToolbarItem>}
      empty={<a href={href("backups")}>{t("Backups go into repositories: folders that are named here.")}</a>}
      firstDown
    />
  );
}

function addRepository(): Action {
  return {
    label: t("Add repository"),
    question: t("A folder that is empty or not there becomes one."),
    fields: [{ name: "name", label: t("Name") }, { name: "path", label: t("Path on this host"), initial: "/var/backups/lodge" }],
    calls: (v) => [{ method: "POST", path: "/backup-repositories", body: { name: str(v, "name"), path: str(v, "path") }, command: sh`lodge backup-list ${str(v, "path")}` }],
  };
}

export function Repositories() {
  const { data, problem } = useResource<List<Repository>>("/backup-repositories");
  return (
    <Page title={t("Backups")} fills>
      <DataTable<Repository>
        name={t("Repositories")}
        rows={data?.items}
        problem={problem}
        columns={[
          { key: "name", label: t("Repository"), value: (r) => r.name, cell: (r) => <a href={href("backups", r.name)}>{r.name}</a> },
          { key: "path", label: t("Path"), value: (r) => r.path, cell: (r) => r.path, width: 40 },
        ]}
        id={(r) => r.name}
        rowActions={(r) => [{ label: t("Forget…"), title: t("Forget {name}?", { name: r.name }), question: t("What it holds stays where it is."), danger: true, calls: () => [{ method: "DELETE", path: path`/backup-repositories/${r.name}`, command: "" }] }]}
        toolbar={<ToolbarItem><ActionButton action={addRepository()} primary /></ToolbarItem>}
        empty={t("Backups go into repositories: folders that are named here.")}
      />
    </Page>
  );
}

export function RepositoryPage({ name }: { name: string }) {
  const { data, problem } = useResource<List<Backup>>(path`/backup-repositories/${name}/backups`);
  const folder = useFolders();
  return (
    <Page title={name} below={[{ label: t("Backups"), href: "#/backups" }]} fills>
      <DataTable name={t("Backups")} rows={data?.items.map((b) => ({ ...b, repository: name }))} problem={problem} columns={columns(true)} id={(b) => b.point} rowActions={(b) => backupActions(b, undefined, folder)} firstDown />
    </Page>
  );
}
