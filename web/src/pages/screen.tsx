/* A screen that somebody shares by a link: only to look at, without log-in. */
import RFB from "@novnc/novnc";
import { useCallback, useRef, useState } from "react";
import { perform, socketUrl } from "../lib/api";
import { t } from "../lib/i18n";
import { useConnection } from "../machine/console";
import { ConsoleState } from "../machine/console_state";
import { ProblemShown } from "../ui/problem";

interface Shared {
  machine: string;
  path: string;
}

/** It may run: whether it does, the connection tells. */
const somebody = { uuid: "", name: "", state: "running" };

export default function SharedScreen({ share }: { share: string }) {
  const screen = useRef<HTMLDivElement>(null);
  const [name, setName] = useState("");
  const connect = useCallback(
    async (lost: () => void, opened: () => void) => {
      const shared = await perform<Shared>({ method: "POST", path: "/shared-screens", body: { share }, command: "" });
      setName(shared!.machine);
      document.title = `${shared!.machine} – Lodge`;
      const client = new RFB(screen.current!, socketUrl(shared!.path), { shared: true, wsProtocols: ["binary"] });
      client.viewOnly = true;
      client.scaleViewport = true;
      client.background = "transparent";
      client.addEventListener("connect", opened);
      client.addEventListener("disconnect", lost);
      return () => {
        client.removeEventListener("disconnect", lost);
        client.disconnect();
      };
    },
    [share],
  );
  const { state, problem, retry } = useConnection(somebody, connect);
  return (
    <main className="lodge-console lodge-shared">
      <h1 className="lodge-actions">
        {t("Screen of {name}", { name })} <ConsoleState state={state} retry={retry} />
      </h1>
      {problem && <ProblemShown problem={problem} />}
      <div className="lodge-screen" ref={screen} role="img" aria-label={t("Screen of {name}", { name })} />
    </main>
  );
}
