/* The whole page: who is logged in, the frame, and which part is shown. */
import {
  Button, Label, Masthead, MastheadBrand, MastheadContent, MastheadLogo, MastheadMain, MastheadToggle, Nav, NavItem, NavList, Page as Frame, PageSidebar,
  PageSidebarBody, PageToggleButton, SkipToContent, Spinner, Toolbar, ToolbarContent, ToolbarItem,
} from "@patternfly/react-core";
import BarsIcon from "@patternfly/react-icons/dist/esm/icons/bars-icon";
import { lazy, Suspense, useCallback, useEffect, useState } from "react";
import { Problem, type Session, get, onLoggedOut, request, setSession } from "./lib/api";
import { has, loadRoutes } from "./lib/has";
import { t } from "./lib/i18n";
import { startLive, stopLive, useLiveState } from "./lib/live";
import { useRoute } from "./lib/route";
import { forgetAll } from "./lib/store";
import { MachineList } from "./machine/list";
import { MachinePage } from "./machine/page";
import { Filters, Interfaces, Networks, NetworkPage, NodeDevices, ObjectXml, Secrets } from "./pages/objects";
import { HostPage } from "./pages/host";
import { Jobs } from "./pages/jobs";
import { JournalPage } from "./pages/journal";
import { Login, logIn } from "./pages/login";
import { Repositories, RepositoryPage } from "./pages/backups";
import { PoolPage, Pools } from "./pages/pools";
import { Settings } from "./pages/settings";
import { Templates } from "./pages/templates";
import { Users } from "./pages/users";
import { ActProvider } from "./ui/act";
import { Palette } from "./ui/palette";

const SharedScreen = lazy(() => import("./pages/screen"));
const Create = lazy(() => import("./create/page"));

/** The parts of the page: the first word of the address, and what the bar at the side says. */
export function parts(): [string, string][] {
  return [
    ["host", t("Overview")],
    ["machines", t("Machines")],
    ["pools", t("Storage")],
    ...(has("GET /backup-repositories") ? [["backups", t("Backups")] as [string, string]] : []),
    ...(has("GET /templates") ? [["templates", t("Templates")] as [string, string]] : []),
    ["networks", t("Networks")],
    ["interfaces", t("Host interfaces")],
    ["node-devices", t("Host devices")],
    ["filters", t("Filters")],
    ["secrets", t("Secrets")],
    ["jobs", t("Jobs")],
    ["journal", t("Journal")],
    ["users", t("Users and tokens")],
    ["settings", t("Settings")],
  ];
}

function Part({ relabel }: { relabel: () => void }) {
  const { parts: where, query } = useRoute();
  const [first = "machines", second, third] = where;
  if (second && third === "xml" && first !== "machines") return <ObjectXml kind={first} name={second} />;
  switch (first) {
    case "host":
      return <HostPage />;
    case "create":
      return <Create from={query} />;
    case "pools":
      return second ? <PoolPage name={second} /> : <Pools />;
    case "backups":
      return second ? <RepositoryPage name={second} /> : <Repositories />;
    case "templates":
      return <Templates />;
    case "networks":
      return second ? <NetworkPage name={second} /> : <Networks />;
    case "interfaces":
      return <Interfaces />;
    case "node-devices":
      return <NodeDevices />;
    case "filters":
      return <Filters />;
    case "secrets":
      return <Secrets />;
    case "jobs":
      return <Jobs />;
    case "journal":
      return <JournalPage />;
    case "users":
      return <Users />;
    case "settings":
      return <Settings relabel={relabel} />;
    default:
      return second ? <MachinePage key={second} name={second} tab={third ?? ""} /> : <MachineList />;
  }
}

function LiveSign() {
  const state = useLiveState();
  if (state === "live") return null;
  return (
    <Label color="orange" role="status">
      {state === "lost" ? t("No connection to the daemon: trying again") : t("connecting")}
    </Label>
  );
}

function Shell({ session, logOut, relabel }: { session: Session; logOut: () => void; relabel: () => void }) {
  const [isPaletteOpen, setPaletteOpen] = useState(false);
  const first = useRoute().parts[0] ?? "machines";
  const active = first === "create" ? "machines" : first;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key === "k") {
        event.preventDefault();
        setPaletteOpen(true);
      }
      const isTyping = (event.target as HTMLElement).closest("input, textarea, select, [contenteditable], .lodge-console, .lodge-editor");
      if (event.key === "/" && !isTyping) {
        event.preventDefault();
        document.querySelector<HTMLInputElement>(".lodge-search input")?.focus();
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  const masthead = (
    <Masthead>
      <MastheadMain>
        <MastheadToggle>
          <PageToggleButton variant="plain" aria-label={t("Navigation")}>
            <BarsIcon />
          </PageToggleButton>
        </MastheadToggle>
        <MastheadBrand>
          <MastheadLogo href="#/machines" component="a">
            <span className="lodge-logo">Lodge</span>
          </MastheadLogo>
        </MastheadBrand>
      </MastheadMain>
      <MastheadContent>
        <Toolbar isStatic>
          <ToolbarContent>
            <ToolbarItem>
              <LiveSign />
            </ToolbarItem>
            <ToolbarItem align={{ default: "alignEnd" }}>
              <Button variant="secondary" onClick={() => setPaletteOpen(true)}>
                {t("Find or do")} <kbd>Ctrl K</kbd>
              </Button>
            </ToolbarItem>
            <ToolbarItem className="lodge-who">
              {session.user} <span className="lodge-note">{session.role}</span>
            </ToolbarItem>
            <ToolbarItem>
              <Button variant="link" onClick={logOut}>
                {t("Log out")}
              </Button>
            </ToolbarItem>
          </ToolbarContent>
        </Toolbar>
      </MastheadContent>
    </Masthead>
  );
  const sidebar = (
    <PageSidebar>
      <PageSidebarBody>
        <Nav aria-label={t("Navigation")}>
          <NavList>
            {parts().map(([key, label]) => (
              <NavItem key={key} itemId={key} to={`#/${key}`} isActive={active === key}>
                {label}
              </NavItem>
            ))}
          </NavList>
        </Nav>
      </PageSidebarBody>
    </PageSidebar>
  );
  return (
    <ActProvider>
      <Frame
        masthead={masthead}
        sidebar={sidebar}
        isManagedSidebar
        isContentFilled
        mainContainerId="main"
        skipToContent={<SkipToContent onClick={(e) => { e.preventDefault(); document.getElementById("main")?.focus(); }} href="#main">{t("Skip to content")}</SkipToContent>}
      >
        <Suspense fallback={<Spinner aria-label={t("Loading")} />}>
          <Part relabel={relabel} />
        </Suspense>
      </Frame>
      {isPaletteOpen && <Palette close={() => setPaletteOpen(false)} />}
    </ActProvider>
  );
}

/** The session that the cookie or the one-time link in the address gives; the link is taken out of the address at once. */
async function findSession(): Promise<Session> {
  const link = /^#link=(.+)$/.exec(location.hash)?.[1];
  if (!link) return get<Session>("/session");
  history.replaceState(null, "", `${location.pathname}#/machines`);
  return logIn({ link: decodeURIComponent(link) });
}

/** What a link of somebody else shows, without log-in. */
const share = /^#share=(.+)$/.exec(location.hash)?.[1];

export function App() {
  const [session, setMine] = useState<Session | null>();
  const [problem, setProblem] = useState<Problem>();
  const [words, setWords] = useState(0);
  const enter = useCallback((next: Session | null) => {
    setSession(next);
    if (next) startLive();
    else {
      stopLive();
      forgetAll();
    }
    setMine(next);
  }, []);
  useEffect(() => {
    if (share) return;
    onLoggedOut(() => enter(null));
    const routes = loadRoutes();
    findSession().then((found) => routes.then(() => enter(found)), (p: Problem) => {
      if (p.status !== 401 || /link/i.test(p.message)) setProblem(p);
      enter(null);
    });
    return stopLive;
  }, [enter]);
  const logOut = () => void request("DELETE", "/session").catch(() => {}).finally(() => enter(null));
  if (share)
    return (
      <Suspense fallback={<Spinner aria-label="Lodge" />}>
        <SharedScreen share={decodeURIComponent(share)} />
      </Suspense>
    );
  if (session === undefined) return <Spinner aria-label="Lodge" />;
  if (session === null) return <Login key={words} onSession={enter} problem={problem} />;
  return <Shell key={words} session={session} logOut={logOut} relabel={() => setWords(words + 1)} />;
}
