/* What went wrong, why, and what mends it. */
import { Alert } from "@patternfly/react-core";
import type { Problem } from "../lib/api";
import { t } from "../lib/i18n";

export function ProblemShown({ problem, bare }: { problem: Problem; bare?: boolean }) {
  const title = problem.status === 0 ? t("The daemon did not answer.") : problem.message;
  const isUnknown = problem.status === 501 || (problem.status === 404 && problem.message.includes("/api/"));
  const inside = (
    <>
      {problem.status === 0 && <p>{problem.message}</p>}
      {problem.hint && <p>{problem.hint}</p>}
      {problem.command && <code className="lodge-command">{problem.command}</code>}
      {isUnknown && <p>{t("This may be missing in this version of the daemon.")}</p>}
    </>
  );
  if (bare)
    return (
      <>
        <p>{title}</p>
        {inside}
      </>
    );
  return (
    <Alert variant="danger" isInline component="p" title={title} role="alert">
      {inside}
    </Alert>
  );
}
