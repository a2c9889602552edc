/* Who may use Lodge over the web, and with which tokens. */
import { Alert, Button, ClipboardCopy, Title, ToolbarItem } from "@patternfly/react-core";
import { useState } from "react";
import { type Call, path, sh } from "../lib/api";
import { when } from "../lib/format";
import { has } from "../lib/has";
import { t } from "../lib/i18n";
import type { List, Machine } from "../lib/model";
import { useResource } from "../lib/store";
import type { Action } from "../ui/act";
import { type Field, num, str } from "../ui/fields";
import { ActionButton } from "../ui/menu";
import { Page } from "../ui/page";
import { DataTable } from "../ui/table";
import { removal } from "./objects";

interface User {
  name: string;
  role?: string;
  source?: string;
}

interface Token {
  id: string;
  name?: string;
  role?: string;
  machine?: string;
  expires?: string;
  last_used?: string;
}

const DAY_MS = 86_400_000;

function roleField(initial = "viewer"): Field {
  return {
    name: "role",
    label: t("Role"),
    kind: "select",
    initial,
    options: [
      { value: "viewer", label: t("viewer: sees everything but passwords") },
      { value: "operator", label: t("operator: starts, stops and uses machines") },
      { value: "admin", label: t("admin: may do everything") },
    ],
  };
}

function createUser(): Action {
  return {
    label: t("Create user"),
    fields: [{ name: "name", label: t("Name") }, { name: "password", label: t("Password"), kind: "password" }, roleField()],
    calls: (v) => [{ method: "POST", path: "/users", body: { name: str(v, "name"), password: String(v.password), role: str(v, "role") }, command: sh`lodge web user add ${str(v, "name")} --role ${str(v, "role")}` }],
  };
}

function userActions(u: User): Action[] {
  return [
    { label: t("Change role…"), fields: [roleField(u.role)], calls: (v) => [{ method: "PATCH", path: path`/users/${u.name}`, body: { role: str(v, "role") }, command: sh`lodge web user set-role ${u.name} --role ${str(v, "role")}` }] },
    { label: t("Change password…"), fields: [{ name: "password", label: t("Password"), kind: "password" }], calls: (v) => [{ method: "PATCH", path: path`/users/${u.name}`, body: { password: String(v.password) }, command: sh`lodge web user set-password ${u.name}` }] },
    ...(has("DELETE /users/{user}/otp") ? [{ label: t("Log in without one-time codes…"), question: t("For somebody who has lost the device with the app."), danger: true, calls: () => [{ method: "DELETE", path: path`/users/${u.name}/otp`, command: "" } as Call] }] : []),
    removal("users", u.name, sh`lodge web user remove ${u.name}`),
  ];
}

function createToken(show: (token: string) => void): Action {
  return {
    label: t("Create token"),
    fields: [
      { name: "name", label: t("Name") },
      roleField(),
      { name: "machine", label: t("Only for the machine"), kind: "select", optional: true, options: [{ value: "", label: t("all machines") }], from: () => "/machines", option: (m: Machine) => ({ value: m.name, label: m.name }) },
      { name: "days", label: t("Valid for days"), kind: "number", initial: 90, min: 1, max: 3650 },
    ],
    calls: (v) => [
      {
        method: "POST",
        path: "/tokens",
        body: { name: str(v, "name"), role: str(v, "role"), ...(str(v, "machine") && { machine: str(v, "machine") }), expires: new Date(Date.now() + Number(v.days) * DAY_MS).toISOString().replace(/\.\d+/, "") },
        command: sh`lodge web token add ${str(v, "name")} --role ${str(v, "role")} --days ${num(v, "days")}` + (str(v, "machine") ? ` ${sh`--domain ${str(v, "machine")}`}` : ""),
      },
    ],
    done: (answer) => show((answer as { token?: string } | null)?.token ?? ""),
  };
}

interface Share {
  id: string | number;
  machine: string;
  by?: string;
  expires?: string;
}

/** Links by which others look at screens. */
function Shares() {
  const { data, problem } = useResource<List<Share>>("/shares");
  const machines = useResource<List<Machine>>("/machines").data?.items;
  const nameOf = (s: Share) => machines?.find((m) => m.uuid === s.machine)?.name ?? s.machine;
  return (
    <>
      <Title headingLevel="h2" size="lg">{t("Shared screens")}</Title>
      <DataTable<Share>
        name={t("Shared screens")}
        rows={data?.items}
        problem={problem}
        id={(s) => `${nameOf(s)} ${s.id}`}
        columns={[
          { key: "machine", label: t("Machine"), value: nameOf, cell: nameOf },
          { key: "by", label: t("Who"), value: (s) => s.by, cell: (s) => s.by ?? "–" },
          { key: "expires", label: t("Until"), value: (s) => s.expires, cell: (s) => when(s.expires) },
        ]}
        rowActions={(s) => [{ label: t("End"), calls: () => [{ method: "DELETE", path: path`/shares/${s.id}`, command: "" }] }]}
        empty={t("A screen is shared from its machine's menu.")}
      />
    </>
  );
}

export function Users() {
  const users = useResource<List<User>>("/users");
  const tokens = useResource<List<Token>>("/tokens");
  const [token, setToken] = useState("");
  return (
    <Page title={t("Users and tokens")}>
      <Title headingLevel="h2" size="lg">{t("Users")}</Title>
      <DataTable<User>
        name={t("Users")}
        rows={users.data?.items}
        problem={users.problem}
        id={(u) => u.name}
        columns={[
          { key: "name", label: t("Name"), value: (u) => u.name, cell: (u) => u.name },
          { key: "role", label: t("Role"), value: (u) => u.role, cell: (u) => u.role ?? "–" },
          { key: "source", label: t("Kind"), value: (u) => u.source, cell: (u) => u.source ?? "–" },
        ]}
        rowActions={userActions}
        toolbar={<ToolbarItem><ActionButton action={createUser()} primary /></ToolbarItem>}
        empty={t("Accounts of the host can log in without being here.")}
      />
      <Title headingLevel="h2" size="lg">{t("Tokens")}</Title>
      {token && (
        <Alert isInline component="p" variant="success" title={t("This is the token. It is shown only now.")}>
          <ClipboardCopy isReadOnly hoverTip={t("Copy")} clickTip={t("Copied")}>{token}</ClipboardCopy>
          <Button variant="link" onClick={() => setToken("")}>{t("I have it")}</Button>
        </Alert>
      )}
      <DataTable<Token>
        name={t("Tokens")}
        rows={tokens.data?.items}
        problem={tokens.problem}
        id={(k) => k.name ?? k.id}
        columns={[
          { key: "name", label: t("Name"), value: (k) => k.name, cell: (k) => k.name ?? k.id },
          { key: "role", label: t("Role"), value: (k) => k.role, cell: (k) => k.role ?? "–" },
          { key: "machine", label: t("Machine"), value: (k) => k.machine, cell: (k) => k.machine ?? t("all machines") },
          { key: "expires", label: t("Until"), value: (k) => k.expires, cell: (k) => when(k.expires) },
          { key: "last", label: t("Last used"), value: (k) => k.last_used, cell: (k) => when(k.last_used) },
        ]}
        rowActions={(k) => [removal("tokens", k.id, sh`lodge web token remove ${k.id}`)]}
        toolbar={<ToolbarItem><ActionButton action={createToken(setToken)} primary /></ToolbarItem>}
      />
      {has("GET /shares") && <Shares />}
    </Page>
  );
}
