/* What the daemon warns of, and of what it shall warn. */
import { Alert, ExpandableSection } from "@patternfly/react-core";
import { path, quote, sh } from "../lib/api";
import { when } from "../lib/format";
import { has } from "../lib/has";
import { t, tn } from "../lib/i18n";
import { href } from "../lib/route";
import { useResource } from "../lib/store";
import type { Action } from "../ui/act";
import { num, str } from "../ui/fields";
import { ActionButton } from "../ui/menu";
import { ProblemShown } from "../ui/problem";

export interface AlertRow {
  id: string | number;
  kind: string;
  object_kind?: string | null;
  object?: string | null;
  severity: "warning" | "critical";
  since?: string;
  detail?: string;
  hint?: string | null;
  command?: string | null;
  acknowledged?: boolean;
}

interface AlertSettings {
  mail_to?: string | null;
  hook?: string | null;
  pool_percent: number;
  backup_days: number;
  certificate_days: number;
  agent_minutes: number;
  crash_count: number;
  crash_minutes: number;
}

function kindWord(kind: string): string {
  const words: Record<string, string> = {
    down: t("should run, but does not"),
    crash_loop: t("crashes again and again"),
    pool_full: t("is nearly full"),
    backup_old: t("has no recent backup"),
    certificate: t("The certificate ends soon"),
    agent_silent: t("its agent is silent"),
    no_space: t("stands still: no space"),
    io_error: t("stands still: a disk failed"),
  };
  return words[kind] ?? kind;
}

const pages: Record<string, string> = { machine: "machines", pool: "pools", network: "networks" };

function acknowledge(alert: AlertRow): Action {
  return { label: t("Acknowledge"), calls: () => [{ method: "POST", path: path`/alerts/${alert.id}/acknowledge`, command: sh`lodge alerts acknowledge ${alert.id}` }] };
}

function AlertLine({ alert }: { alert: AlertRow }) {
  const page = pages[alert.object_kind ?? ""];
  return (
    <Alert isInline component="p" variant={alert.severity === "critical" ? "danger" : "warning"} title={`${alert.object ?? ""} ${kindWord(alert.kind)}`.trim()}>
      <p>{alert.detail}</p>
      <p className="lodge-note">{[t("since {time}", { time: when(alert.since) }), alert.hint].filter(Boolean).join(" · ")}</p>
      {alert.command && <code className="lodge-command">{alert.command}</code>}
      <div className="lodge-actions">
        {page && alert.object && <a href={href(page, alert.object)}>{alert.object}</a>}
        {!alert.acknowledged && <ActionButton action={acknowledge(alert)} />}
      </div>
    </Alert>
  );
}

/** Open ones, and behind a fold those that somebody has seen. */
export function Alerts({ alerts }: { alerts: AlertRow[] }) {
  const seen = alerts.filter((a) => a.acknowledged);
  return (
    <div className="lodge-alerts">
      {alerts.filter((a) => !a.acknowledged).map((a) => <AlertLine key={a.id} alert={a} />)}
      {seen.length > 0 && (
        <ExpandableSection toggleText={tn("{n} acknowledged alert", "{n} acknowledged alerts", seen.length)}>
          {seen.map((a) => <AlertLine key={a.id} alert={a} />)}
        </ExpandableSection>
      )}
    </div>
  );
}

function settingsAction(now: AlertSettings): Action {
  const counts: [keyof AlertSettings, string, number][] = [
    ["pool_percent", t("A pool is nearly full from this percentage"), 100],
    ["backup_days", t("A backup is old after days"), 3650],
    ["certificate_days", t("Warn so many days before a certificate ends"), 3650],
    ["agent_minutes", t("An agent is silent after minutes"), 100_000],
    ["crash_count", t("A machine crashes again and again: so often"), 1000],
    ["crash_minutes", t("within minutes"), 100_000],
  ];
  return {
    label: t("Alert settings…"),
    submit: t("Store"),
    question: t("A number of 0 switches an alert off."),
    fields: [
      { name: "mail_to", label: t("Mail to"), optional: true, initial: now.mail_to ?? "", help: t("By the host's sendmail. Empty: no mail.") },
      { name: "hook", label: t("Program that is run"), optional: true, initial: now.hook ?? "", help: t("Its path; it gets the alert as JSON on its standard input.") },
      ...counts.map(([name, label, max]) => ({ name, label, kind: "number" as const, min: 0, max, initial: now[name] ?? 0 })),
    ],
    calls: (v) => {
      const body = { mail_to: str(v, "mail_to") || null, hook: str(v, "hook") || null, ...Object.fromEntries(counts.map(([name]) => [name, num(v, name)])) };
      const words = Object.entries(body).map(([name, value]) => ` --${name.replace("_", "-")} ${quote(String(value ?? "none"))}`);
      return [{ method: "PUT", path: "/alerts/settings", body, command: `lodge alerts settings${words.join("")}` }];
    },
  };
}

export function AlertSettingsButton() {
  const { data, problem } = useResource<AlertSettings>(has("PUT /alerts/settings") ? "/alerts/settings" : null);
  if (problem && problem.status !== 403) return <ProblemShown problem={problem} />;
  return data ? <ActionButton action={settingsAction(data)} /> : null;
}
