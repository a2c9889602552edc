/* What the daemon has looked at before it does something. */
import { t } from "../lib/i18n";

export interface Checked {
  what: string;
  ok: boolean;
  detail?: string | null;
  mend?: string | null;
}

export function Checks({ checked }: { checked: Checked[] }) {
  return (
    <ul className="lodge-plain">
      {checked.map((c) => (
        <li key={c.what}>
          <strong aria-label={c.ok ? t("good") : t("wrong")}>{c.ok ? "✓" : "✗"}</strong> {c.what}
          {c.detail && <span className="lodge-note"> {c.detail}</span>}
          {!c.ok && c.mend && <code className="lodge-command">{c.mend}</code>}
        </li>
      ))}
    </ul>
  );
}
