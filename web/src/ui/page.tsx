/* The frame of a page: its title, what leads back, and what can be done. */
import { Breadcrumb, BreadcrumbItem, PageSection, Title } from "@patternfly/react-core";
import { type ReactNode, useEffect } from "react";
import { t } from "../lib/i18n";

interface Props {
  title: string;
  /** where it belongs: text and address */
  below?: { label: string; href: string }[];
  beside?: ReactNode;
  actions?: ReactNode;
  /** the content scrolls by itself */
  fills?: boolean;
  children: ReactNode;
}

export function Page({ title, below = [], beside, actions, fills, children }: Props) {
  useEffect(() => {
    document.title = `${title} – Lodge`;
  }, [title]);
  return (
    <>
      <PageSection className="lodge-head" hasBodyWrapper={false}>
        {below.length > 0 && (
          <Breadcrumb aria-label={t("Where you are")}>
            {below.map((b) => (
              <BreadcrumbItem key={b.href} to={b.href}>{b.label}</BreadcrumbItem>
            ))}
            <BreadcrumbItem isActive>{title}</BreadcrumbItem>
          </Breadcrumb>
        )}
        <div className="lodge-title">
          <Title headingLevel="h1">{title}</Title>
          {beside}
          <div className="lodge-actions">{actions}</div>
        </div>
      </PageSection>
      <PageSection className={fills ? "lodge-fills" : ""} isFilled hasBodyWrapper={false}>
        {children}
      </PageSection>
    </>
  );
}
