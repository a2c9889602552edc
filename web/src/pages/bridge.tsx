/* A bridge over an interface of the host. As that may cut off whoever asks for it, it goes back by itself unless it is confirmed. */
import { Alert } from "@patternfly/react-core";
import { useEffect, useState } from "react";
import { sh } from "../lib/api";
import { t } from "../lib/i18n";
import type { Action } from "../ui/act";
import { type Values, num, str } from "../ui/fields";
import { ActionButton } from "../ui/menu";

interface Made {
  interface: string;
  bridge: string;
  steps?: string[];
  confirm_s: number;
}

interface Unconfirmed {
  bridge: string;
  /** milliseconds since 1970 */
  until: number;
}

const KEY = "lodge.bridge";

export function readUnconfirmed(): Unconfirmed | null {
  const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null") as Unconfirmed | null;
  return kept && kept.until > Date.now() ? kept : null;
}

export function bridgeAction(wait: (made: Unconfirmed | null) => void): Action {
  const order = (v: Values) => ({ interface: str(v, "interface"), name: str(v, "name"), confirm_s: num(v, "confirm_s") });
  const spoken = (v: Values) => sh`lodge iface-bridge ${str(v, "interface")} ${str(v, "name")}`;
  return {
    label: t("Make bridge…"),
    title: t("Bridge over an interface of the host"),
    submit: t("Make bridge"),
    question: t("The bridge takes over the interface's addresses, so that machines are in the host's network. Unless you confirm in time, everything goes back."),
    fields: [
      { name: "interface", label: t("Interface"), kind: "select", from: () => "/interfaces", option: (i: { name: string; mac?: string }) => ({ value: i.name, label: [i.name, i.mac].filter(Boolean).join(" · "), disabled: i.name === "lo" }) },
      { name: "name", label: t("Name of the bridge"), initial: "br0" },
      { name: "confirm_s", label: t("Seconds to confirm"), kind: "number", initial: 60, min: 10, max: 600 },
    ],
    check: {
      label: t("Show the steps"),
      call: (v) => ({ method: "POST", path: "/host/bridge", body: { ...order(v), dry_run: true }, command: spoken(v) }),
      show: (answer) => <ol>{((answer as Made | null)?.steps ?? []).map((step) => <li key={step}>{step}</li>)}</ol>,
    },
    calls: (v) => [{ method: "POST", path: "/host/bridge", body: order(v), command: spoken(v) }],
    done: (answer, v) => {
      const made = answer as Made | null;
      const next = { bridge: made?.bridge ?? str(v, "name"), until: Date.now() + (made?.confirm_s ?? num(v, "confirm_s")) * 1000 };
      sessionStorage.setItem(KEY, JSON.stringify(next));
      wait(next);
    },
  };
}

export function ConfirmBridge({ unconfirmed, done }: { unconfirmed: Unconfirmed; done: () => void }) {
  const left = () => Math.max(0, Math.ceil((unconfirmed.until - Date.now()) / 1000));
  const [seconds, setSeconds] = useState(left);
  useEffect(() => {
    const timer = setInterval(() => setSeconds(left()), 500);
    return () => clearInterval(timer);
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [unconfirmed]);
  const end = () => {
    sessionStorage.removeItem(KEY);
    done();
  };
  const isOver = seconds === 0;
  return (
    <Alert
      isInline
      component="p"
      variant={isOver ? "info" : "warning"}
      title={isOver ? t("{name} was not confirmed: everything is as before.", { name: unconfirmed.bridge }) : t("{name} is there. Without your confirmation all goes back in {seconds} s.", { name: unconfirmed.bridge, seconds })}
    >
      <div className="lodge-actions">
        {!isOver && <ActionButton primary action={{ label: t("Keep it"), calls: () => [{ method: "POST", path: "/host/bridge/confirm", body: {}, command: "" }], done: end }} />}
        {!isOver && <ActionButton action={{ label: t("Take it back now"), calls: () => [{ method: "DELETE", path: "/host/bridge", command: sh`lodge iface-unbridge ${unconfirmed.bridge}` }], done: end }} />}
        {isOver && <ActionButton action={{ label: t("Close"), calls: () => [], now: end }} />}
      </div>
    </Alert>
  );
}
