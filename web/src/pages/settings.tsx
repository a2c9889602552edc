/* How the page looks to this browser. */
import { Form, FormGroup, FormSelect, FormSelectOption } from "@patternfly/react-core";
import { useState } from "react";
import { url } from "../lib/api";
import { has } from "../lib/has";
import { type Language, language, languages, loadLanguage, t } from "../lib/i18n";
import { type Theme, setTheme, theme } from "../lib/theme";
import { SecondFactor } from "./second_factor";
import { Page } from "../ui/page";

export function Settings({ relabel }: { relabel: () => void }) {
  const [look, setLook] = useState<Theme>(theme());
  const choose = (next: Language) => {
    localStorage.setItem("lodge.language", next);
    void loadLanguage(next).then(relabel);
  };
  const looks: Record<Theme, string> = { system: t("as the system"), light: t("light"), dark: t("dark") };
  return (
    <Page title={t("Settings")}>
      <Form isWidthLimited>
        <FormGroup label={t("Language")} fieldId="language">
          <FormSelect id="language" value={language()} onChange={(_, value) => choose(value as Language)}>
            {Object.entries(languages).map(([key, name]) => (
              <FormSelectOption key={key} value={key} label={name} />
            ))}
          </FormSelect>
        </FormGroup>
        <FormGroup label={t("Look")} fieldId="look">
          <FormSelect
            id="look"
            value={look}
            onChange={(_, value) => {
              setLook(value as Theme);
              setTheme(value as Theme);
            }}
          >
            {Object.entries(looks).map(([key, name]) => (
              <FormSelectOption key={key} value={key} label={name} />
            ))}
          </FormSelect>
        </FormGroup>
      </Form>
      {has("GET /users/me/otp") && <SecondFactor />}
      <p className="lodge-keys">
        <kbd>Ctrl K</kbd> {t("Find or do")} · <kbd>/</kbd> {t("Search")} · <kbd>Esc</kbd> {t("Close")}
      </p>
      <p>
        <a href={url("/openapi.json")}>{t("The REST interface (OpenAPI)")}</a>
      </p>
    </Page>
  );
}
