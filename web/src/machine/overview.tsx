/* What a machine is, at one glance. */
import { Alert, Label } from "@patternfly/react-core";
import { useEffect, useState } from "react";
import { path, request } from "../lib/api";
import { bytes, percent } from "../lib/format";
import { t } from "../lib/i18n";
import type { MachineDetails } from "../lib/model";
import { href } from "../lib/route";
import { Facts } from "./hardware";
import { StateLabel } from "./state";

const THUMBNAIL_MS = 5000;

/** The screen, every few seconds, while it can be seen. @returns an object URL, or undefined where there is none */
function useThumbnail(m: MachineDetails): string | undefined {
  const [image, setImage] = useState<string>();
  const isOn = m.state === "running" && (m.displays?.length ?? 0) > 0;
  useEffect(() => {
    if (!isOn) return;
    let isGone = false;
    const look = async () => {
      if (document.hidden) return;
      const response = await request("GET", path`/machines/${m.name}/screenshot`).catch(() => null);
      const blob = await response?.blob();
      if (!isGone) setImage(blob ? URL.createObjectURL(blob) : undefined);
    };
    void look();
    const timer = setInterval(() => void look(), THUMBNAIL_MS);
    return () => {
      isGone = true;
      clearInterval(timer);
      setImage(undefined);
    };
  }, [m.name, isOn]);
  useEffect(() => () => void (image && URL.revokeObjectURL(image)), [image]);
  return image;
}

export function Overview({ machine: m }: { machine: MachineDetails }) {
  const image = useThumbnail(m);
  const displays = m.displays?.map((d) => `${d.type}${d.port && d.port > 0 ? ` ${d.listen ?? ""}:${d.port}` : ""}`).join(", ");
  const facts: [string, React.ReactNode][] = [
    [t("State"), <StateLabel key="s" state={m.state} reason={m.reason} />],
    [t("UUID"), <code key="u">{m.uuid}</code>],
    [t("CPUs"), m.vcpus],
    [t("CPU"), percent(m.cpu_percent)],
    [t("Memory"), m.memory_used_bytes ? `${bytes(m.memory_used_bytes)} / ${bytes(m.memory_bytes)}` : bytes(m.memory_bytes)],
    [t("Addresses"), [...new Set([...(m.addresses ?? []), ...(m.interfaces ?? []).flatMap((i) => i.addresses ?? [])])].join(", ") || "–"],
    [t("Disks"), m.disks?.map((d) => `${d.target} ${bytes(d.capacity_bytes)}`).join(", ") || "–"],
    [t("Displays"), displays || "–"],
    [t("Snapshots"), <a key="n" href={href("machines", m.name, "snapshots")}>{m.snapshots ?? 0}</a>],
    [t("Starts with the host"), m.autostart ? t("yes") : t("no")],
    [t("Defined"), m.persistent === false ? t("no: it is gone when it stops") : t("yes")],
    [t("Tags"), m.tags?.length ? m.tags.map((tag) => <Label key={tag} isCompact>{tag}</Label>) : "–"],
    ...(m.owner === undefined ? [] : [[t("Owner"), m.owner ?? "–"] as [string, string]]),
    [t("Notes"), m.description || "–"],
  ];
  return (
    <>
      {m.pending && (
        <Alert isInline component="p" variant="info" title={t("The definition differs from what runs: some of it comes with the next start.")}>
          <a href={href("machines", m.name, "pending")}>{t("Show the difference")}</a>
        </Alert>
      )}
      {m.has_managed_save && <Alert isInline component="p" variant="info" title={t("Its memory is saved: the next start goes on where it was.")} />}
      <div className="lodge-overview">
        <Facts facts={facts} />
        {image && (
          <a href={href("machines", m.name, "console")}>
            <img className="lodge-thumbnail" src={image} alt={t("Screen of {name}", { name: m.name })} />
          </a>
        )}
      </div>
    </>
  );
}
