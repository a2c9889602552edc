/* A second factor for one's own log-in: codes of an authenticator app (TOTP). */
import { ClipboardCopy, Title } from "@patternfly/react-core";
import { useState } from "react";
import { t } from "../lib/i18n";
import { useResource } from "../lib/store";
import type { Action } from "../ui/act";
import { type Field, str } from "../ui/fields";
import { ActionButton } from "../ui/menu";

const OTP = "/users/me/otp";

interface Begun {
  secret: string;
  uri: string;
}

const codeField = (): Field => ({ name: "otp", label: t("One-time code"), check: (value) => (/^\d{6,8}$/.test(String(value).trim()) ? undefined : t("Six digits.")) });

export function SecondFactor() {
  const { data, problem } = useResource<{ enabled: boolean; pending?: boolean }>(OTP);
  const [begun, setBegun] = useState<Begun>();
  const begin: Action = {
    label: t("Set up one-time codes"),
    calls: () => [{ method: "POST", path: OTP, body: {}, command: "" }],
    done: (answer) => setBegun(answer as Begun),
  };
  const confirm: Action = {
    label: t("Confirm…"),
    fields: [codeField()],
    calls: (v) => [{ method: "POST", path: OTP, body: { code: str(v, "otp") }, command: "" }],
    done: () => setBegun(undefined),
  };
  const remove: Action = {
    label: t("Remove…"),
    title: t("Log in without one-time codes?"),
    danger: true,
    fields: [codeField()],
    calls: (v) => [{ method: "DELETE", path: `${OTP}?code=${encodeURIComponent(str(v, "otp"))}`, command: "" }],
  };
  if (problem) return null; // logged in by a link or a token: there is no account to guard
  return (
    <section className="lodge-section">
      <Title headingLevel="h2" size="lg">{t("One-time codes")}</Title>
      <p>{data?.enabled ? t("Logging in asks for a code of your app, too.") : t("An app on your phone shows a code that logging in asks for, too.")}</p>
      {begun && (
        <>
          <p>{t("Give this to the app, then confirm with the code that it shows. It is shown only now.")}</p>
          <ClipboardCopy isReadOnly hoverTip={t("Copy")} clickTip={t("Copied")} textAriaLabel={t("Secret")}>{begun.secret}</ClipboardCopy>
          <p><a href={begun.uri}>{t("Open in an app on this device")}</a></p>
        </>
      )}
      <div className="lodge-actions">
        {data && !data.enabled && <ActionButton action={begin} />}
        {(begun || data?.pending) && <ActionButton action={confirm} primary />}
        {data?.enabled && <ActionButton action={remove} />}
      </div>
    </section>
  );
}
