/* The state of a machine as a coloured word. */
import "@patternfly/react-styles/css/components/Label/label.css";
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

/** Why a machine stands still although nobody asked for that; undefined: it does not, or somebody did. */
export function troubleWord(m: { state: string; reason?: number | undefined }): string | undefined {
  const words: Record<string, Record<number, string>> = {
    paused: { 5: t("a disk reported an error"), 6: t("its watchdog has fired"), 10: t("the guest has crashed"), 13: t("a migration has failed"), 14: t("an operation has failed") },
    shutoff: { 3: t("it has crashed"), 6: t("it did not start") },
  };
  return words[m.state]?.[m.reason ?? 0];
}

/** A label that does not measure itself, as PatternFly's does: lists have many. */
export function Tag({ text, look = "", title }: { text: string; look?: string; title?: string | undefined }) {
  return (
    <span className={`pf-v6-c-label pf-m-compact ${look}`} title={title}>
      <span className="pf-v6-c-label__content">
        <span className="pf-v6-c-label__text">{text}</span>
      </span>
    </span>
  );
}

export function StateLabel({ state, reason, note }: { state: string | undefined; reason?: number | undefined; note?: string | undefined }) {
  if (!state) return <>–</>;
  return <Tag text={stateWord(state)} look={`pf-m-outline pf-m-${colours[state] ?? "grey"}`} title={note ?? troubleWord({ state, reason })} />;
}
