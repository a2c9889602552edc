/* What the agent in the guest tells, and what it does there. */
import { Alert, Spinner, Title } from "@patternfly/react-core";
import { useState } from "react";
import { path, sh } from "../lib/api";
import { bytes, when } from "../lib/format";
import { t } from "../lib/i18n";
import type { Machine } from "../lib/model";
import { invalidate, useResource } from "../lib/store";
import type { Action } from "../ui/act";
import { str } from "../ui/fields";
import { ActionButton } from "../ui/menu";
import { ProblemShown } from "../ui/problem";
import { DataTable } from "../ui/table";
import { Facts } from "./hardware";

interface FileSystem {
  mountpoint: string;
  type?: string | null;
  device?: string | null;
  total_bytes?: number | null;
  used_bytes?: number | null;
}

interface Guest {
  agent: boolean;
  /** why it does not answer */
  problem?: string | null;
  hostname?: string | null;
  os?: string | null;
  kernel?: string | null;
  timezone?: string | null;
  users?: { name: string; login_time?: string | null }[] | null;
  interfaces?: { name: string; mac?: string | null; addresses?: string[] }[] | null;
  filesystems?: FileSystem[] | null;
}

interface Ran {
  status: number;
  out: string;
  err: string;
}

function passwordAction(m: Machine): Action {
  return {
    label: t("Set password…"),
    fields: [{ name: "user", label: t("User"), initial: "root" }, { name: "password", label: t("Password"), kind: "password" }],
    calls: (v) => [{ method: "POST", path: path`/machines/${m.name}/guest/password`, body: { user: str(v, "user"), password: String(v.password) }, command: sh`lodge set-user-password ${m.name} ${str(v, "user")} PASSWORD` }],
  };
}

/** "ls -l 'my files'" as the words that a shell would make of it */
function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map((m) => m[1] ?? m[2] ?? m[3]!);
}

function runAction(m: Machine, done: (ran: Ran) => void): Action {
  return {
    label: t("Run a command…"),
    question: t("The agent runs it in the guest, without a shell."),
    fields: [
      { name: "command", label: t("Command"), initial: "uname -a" },
      { name: "input", label: t("Input"), kind: "area", optional: true },
    ],
    calls: (v) => [
      {
        method: "POST",
        path: path`/machines/${m.name}/guest/exec`,
        body: { command: words(str(v, "command")), ...(v.input && { input: String(v.input) }) },
        command: `${sh`lodge exec ${m.name} --`} ${str(v, "command")}`,
      },
    ],
    done: (answer) => answer && done(answer as Ran),
  };
}

export function GuestTab({ machine: m }: { machine: Machine }) {
  const isOn = m.state === "running";
  const below = path`/machines/${m.name}/guest`;
  const { data: guest, problem } = useResource<Guest>(isOn ? below : null);
  const [ran, setRan] = useState<Ran>();
  if (!isOn) return <p className="lodge-note">{t("The machine does not run.")}</p>;
  if (problem) return <ProblemShown problem={problem} />;
  if (!guest) return <Spinner aria-label={t("Loading")} />;
  const users = (guest.users ?? []).map((u) => (u.login_time ? `${u.name} (${when(u.login_time)})` : u.name));
  return (
    <>
      {!guest.agent && (
        <Alert isInline component="p" variant="info" title={t("No agent answers in the guest.")}>
          {guest.problem && <p>{guest.problem}</p>}
          {t("Install the package qemu-guest-agent there, and give the machine the channel org.qemu.guest_agent.0.")}
        </Alert>
      )}
      <div className="lodge-actions">
        <ActionButton action={{ ...passwordAction(m), disabled: guest.agent ? undefined : t("It needs the agent.") }} />
        <ActionButton action={{ ...runAction(m, setRan), disabled: guest.agent ? undefined : t("It needs the agent.") }} />
        <ActionButton action={{ label: t("Ask again"), calls: () => [], now: () => invalidate((p) => p === below) }} />
      </div>
      {ran && (
        <figure className="lodge-copyable">
          <figcaption>{t("It ended with status {status}.", { status: ran.status })}</figcaption>
          <pre tabIndex={0} aria-label={t("Output")}>{[ran.out, ran.err].filter(Boolean).join("\n") || "–"}</pre>
        </figure>
      )}
      {guest.agent && (
        <>
          <Facts facts={[[t("Host name"), guest.hostname ?? "–"], [t("System"), [guest.os, guest.kernel].filter(Boolean).join(" · ") || "–"], [t("Time zone"), guest.timezone ?? "–"], [t("Users"), users.join(", ") || "–"]]} />
          <Title headingLevel="h2" size="md">{t("Network cards")}</Title>
          <ul className="lodge-plain">
            {(guest.interfaces ?? []).map((i) => (
              <li key={i.name}>
                {i.name} <span className="lodge-note">{[i.mac, ...(i.addresses ?? [])].filter(Boolean).join(" · ")}</span>
              </li>
            ))}
          </ul>
          <Title headingLevel="h2" size="md">{t("File systems")}</Title>
          <DataTable<FileSystem>
            name={t("File systems")}
            rows={guest.filesystems ?? []}
            id={(f) => f.mountpoint}
            columns={[
              { key: "mountpoint", label: t("Path"), value: (f) => f.mountpoint, cell: (f) => f.mountpoint },
              { key: "type", label: t("Kind"), value: (f) => f.type ?? "", cell: (f) => f.type ?? "–" },
              { key: "used", label: t("Used"), value: (f) => f.used_bytes ?? -1, cell: (f) => (f.total_bytes ? `${bytes(f.used_bytes)} / ${bytes(f.total_bytes)}` : "–") },
              { key: "device", label: t("Disks"), value: (f) => f.device ?? "", cell: (f) => f.device ?? "–" },
            ]}
          />
        </>
      )}
    </>
  );
}
