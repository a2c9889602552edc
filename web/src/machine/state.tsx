/* The state of a machine as a coloured word. */
import { Label } from "@patternfly/react-core";
import { t } from "../lib/i18n";

const colours: Record<string, "green" | "grey" | "orange" | "red" | "blue"> = {
  running: "green",
  blocked: "green",
  active: "green",
  paused: "orange",
  pmsuspended: "orange",
  "shutting-down": "orange",
  crashed: "red",
  failed: "red",
};

export function stateWord(state: string): string {
  const words: Record<string, string> = {
    running: t("running"),
    blocked: t("running"),
    active: t("active"),
    inactive: t("inactive"),
    paused: t("paused"),
    pmsuspended: t("sleeping"),
    shutoff: t("shut off"),
    "shutting-down": t("shutting down"),
    crashed: t("crashed"),
    failed: t("failed"),
    done: t("done"),
  };
  return words[state] ?? state;
}

export function StateLabel({ state, reason }: { state: string | undefined; reason?: string | undefined }) {
  if (!state) return <>–</>;
  return (
    <Label color={colours[state] ?? "grey"} isCompact variant="outline" {...(reason && { title: reason })}>
      {stateWord(state)}
    </Label>
  );
}
