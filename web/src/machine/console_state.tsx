import { Button, Label } from "@patternfly/react-core";
import { t } from "../lib/i18n";

export function ConsoleState({ state, retry }: { state: "connecting" | "open" | "lost" | "off"; retry: () => void }) {
  if (state === "open") return <Label color="green">{t("connected")}</Label>;
  if (state === "off") return <Label>{t("The machine is off.")}</Label>;
  return (
    <>
      <Label color="orange">{state === "lost" ? t("connection lost") : t("connecting")}</Label>
      <Button variant="link" onClick={retry}>{t("Try again")}</Button>
    </>
  );
}
