import "@patternfly/react-core/dist/styles/base.css";
import "./style.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { loadLanguage, preferredLanguage } from "./lib/i18n";
import { applyTheme } from "./lib/theme";

applyTheme();
void loadLanguage(preferredLanguage()).finally(() => {
  createRoot(document.getElementById("root")!).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
});
