/* What differs between the machine that runs and its definition. */
import { Spinner } from "@patternfly/react-core";
import { lazy, Suspense } from "react";
import { path } from "../lib/api";
import { t } from "../lib/i18n";
import type { Machine } from "../lib/model";
import { useResource } from "../lib/store";
import { ProblemShown } from "../ui/problem";

const Editor = lazy(() => import("../ui/editor"));

export function Pending({ machine: m }: { machine: Machine }) {
  const live = useResource<string>(path`/machines/${m.name}/xml`);
  const next = useResource<string>(`${path`/machines/${m.name}/xml`}?inactive=true`);
  const problem = live.problem ?? next.problem;
  if (problem) return <ProblemShown problem={problem} />;
  if (live.data === undefined || next.data === undefined) return <Spinner aria-label={t("Loading")} />;
  return (
    <Suspense fallback={<Spinner aria-label={t("Loading")} />}>
      <p className="lodge-note">{t("Left: what runs. Right: what the next start takes.")}</p>
      <Editor label={t("Pending changes")} before={live.data} text={next.data} readOnly />
    </Suspense>
  );
}
