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

export function StateLabel({ state, reason }: { state: string | undefined; reason?: string | undefined }) {
  if (!state) return <>–</>;
  return <Tag text={stateWord(state)} look={`pf-m-outline pf-m-${colours[state] ?? "grey"}`} title={reason} />;
}
