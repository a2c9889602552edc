/* The host: what it is, how much it does, what needs a look. */
import { Alert, Card, CardBody, CardTitle, Gallery, Spinner } from "@patternfly/react-core";
import { useEffect } from "react";
import { bytes, duration, percent } from "../lib/format";
import { has } from "../lib/has";
import { t, tn } from "../lib/i18n";
import type { Host, List, Machine, Pool } from "../lib/model";
import { href } from "../lib/route";
import { invalidate, useResource } from "../lib/store";
import { Graphs } from "../machine/graphs";
import { Facts } from "../machine/hardware";
import { StateLabel, troubleWord } from "../machine/state";
import { type AlertRow, AlertSettingsButton, Alerts } from "./alerts";
import { Page } from "../ui/page";
import { ProblemShown } from "../ui/problem";

const REFRESH_MS = 5000;
const FULL = 0.9;
const SHOWN_WARNINGS = 10;

interface Warning {
  name: string;
  text: string;
  href: string;
}

function warnings(machines: Machine[], pools: Pool[]): Warning[] {
  return [
    ...machines.filter((m) => m.state === "crashed").map((m) => ({ name: m.name, text: t("{name} has crashed.", { name: m.name }), href: href("machines", m.name) })),
    ...machines.filter(troubleWord).map((m) => ({ name: m.name, text: `${m.name}: ${troubleWord(m)}`, href: href("machines", m.name) })),
    ...machines.filter((m) => m.autostart && m.state === "shutoff").map((m) => ({ name: m.name, text: t("{name} starts with the host, but is off.", { name: m.name }), href: href("machines", m.name) })),
    ...pools.filter((p) => p.capacity_bytes && (p.allocation_bytes ?? 0) / p.capacity_bytes > FULL).map((p) => ({ name: p.name, text: t("Pool {name} is nearly full.", { name: p.name }), href: href("pools", p.name) })),
    ...pools.filter((p) => p.autostart && p.state === "inactive").map((p) => ({ name: p.name, text: t("Pool {name} starts with the host, but is off.", { name: p.name }), href: href("pools", p.name) })),
  ];
}

function Counts({ machines }: { machines: Machine[] }) {
  const states = new Map<string, Machine[]>();
  machines.forEach((m) => states.set(m.state, [...(states.get(m.state) ?? []), m]));
  return (
    <ul className="lodge-plain">
      {[...states].map(([state, all]) => (
        <li key={state}>
          <StateLabel state={state} /> {all.length}
        </li>
      ))}
    </ul>
  );
}

export function HostPage() {
  const { data: host, problem } = useResource<Host>("/host");
  const machines = useResource<List<Machine>>("/machines").data?.items ?? [];
  const pools = useResource<List<Pool>>("/pools").data?.items ?? [];
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && invalidate((p) => p === "/host"), REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  const alerts = useResource<List<AlertRow>>(has("GET /alerts") ? "/alerts" : null).data?.items ?? [];
  const all = warnings(machines, pools).filter((w) => !alerts.some((a) => a.object === w.name));
  const total = host?.memory?.total_bytes;
  const busiest = machines.filter((m) => m.state === "running").sort((a, b) => (b.cpu_percent ?? 0) - (a.cpu_percent ?? 0)).slice(0, 5);
  return (
    <Page title={host?.hostname ?? t("Overview")} actions={<AlertSettingsButton />}>
      {problem && <ProblemShown problem={problem} />}
      {!host && !problem && <Spinner aria-label={t("Loading")} />}
      <Alerts alerts={alerts} />
      {all.length > 0 && (
        <Alert isInline component="p" variant="warning" className="lodge-warnings" title={tn("{n} thing needs a look", "{n} things need a look", all.length)}>
          <ul className="lodge-plain">
            {all.slice(0, SHOWN_WARNINGS).map((w) => (
              <li key={w.text}>
                <a href={w.href}>{w.text}</a>
              </li>
            ))}
            {all.length > SHOWN_WARNINGS && <li>…</li>}
          </ul>
        </Alert>
      )}
      <Gallery hasGutter minWidths={{ default: "280px" }} className="lodge-cards">
        <Card>
          <CardTitle component="h2">{t("Host")}</CardTitle>
          <CardBody>
            <Facts facts={[["Lodge", host?.version], ["QEMU", host?.qemu_version], [t("CPUs"), host?.cpu?.count], [t("CPU model"), host?.cpu?.model], ["KVM", host?.kvm === undefined ? "–" : host.kvm ? t("yes") : t("no")], [t("Up for"), duration(host?.uptime_s)]]} />
          </CardBody>
        </Card>
        <Card>
          <CardTitle component="h2">{t("Load")}</CardTitle>
          <CardBody>
            <Facts facts={[[t("CPU"), percent(host?.cpu_percent)], [t("Memory"), total ? `${bytes(Math.max(total - (host.memory?.available_bytes ?? host.memory?.free_bytes ?? 0), 0))} / ${bytes(total)}` : "–"], [t("Given to machines"), bytes(machines.filter((m) => m.state === "running").reduce((sum, m) => sum + (m.memory_bytes ?? 0), 0))]]} />
          </CardBody>
        </Card>
        <Card>
          <CardTitle component="h2">{t("Machines")}</CardTitle>
          <CardBody><Counts machines={machines} /></CardBody>
        </Card>
        <Card>
          <CardTitle component="h2">{t("Busiest machines")}</CardTitle>
          <CardBody>
            <ul className="lodge-plain">
              {busiest.map((m) => (
                <li key={m.uuid}><a href={href("machines", m.name)}>{m.name}</a> {percent(m.cpu_percent)}</li>
              ))}
              {busiest.length === 0 && <li>–</li>}
            </ul>
          </CardBody>
        </Card>
        <Card>
          <CardTitle component="h2">{t("Storage")}</CardTitle>
          <CardBody>
            <ul className="lodge-plain">
              {pools.map((p) => (
                <li key={p.name}><a href={href("pools", p.name)}>{p.name}</a> {p.capacity_bytes ? `${bytes(p.available_bytes)} ${t("free")}` : ""}</li>
              ))}
              {pools.length === 0 && <li>–</li>}
            </ul>
          </CardBody>
        </Card>
      </Gallery>
      {has("GET /host/history") && <Graphs below="/host/history" memory={total} command="lodge usage" />}
    </Page>
  );
}
