// What has every page? A title, in the window and above, which is where a new page begins for those who listen.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { EmptyState } from "../ui/notice";
import { Skeleton } from "../ui/waiting";
import "./page.css";

interface PageProps {
  title: string;
  /** Beside the title: what one does on this page most. */
  actions?: ComponentChildren;
  /** For few words: a narrow column. */
  isNarrow?: boolean;
  children: ComponentChildren;
}

let isFirst = true;

export function Page({ title, actions, isNarrow, children }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Tune Scout`;
  }, [title]);
  useEffect(() => {
    // At the first one the browser starts where people expect it; later nothing else tells that the page is another.
    if (!isFirst) heading.current?.focus({ preventScroll: true });
    isFirst = false;
  }, []);
  return (
    <div class={`page ${isNarrow ? "page-narrow" : ""}`}>
      <header class="page-head">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {actions}
      </header>
      {children}
    </div>
  );
}

/** Where a page will be. */
export function PageSkeleton() {
  return (
    <div class="page" aria-busy="true">
      <header class="page-head">
        <Skeleton width="14rem" height="2.75rem" />
      </header>
      {[0, 1, 2, 3, 4].map((row) => (
        <Skeleton key={row} height="3.5rem" />
      ))}
    </div>
  );
}

/** The server has not answered since the page was opened. */
export function Unreachable() {
  return (
    <Page title="Nobody answers">
      <EmptyState icon="alert" title="The server cannot be reached">
        <p>
          Check your connection, or whether Tune Scout is running. This page goes on by itself as soon as it answers.
        </p>
      </EmptyState>
    </Page>
  );
}
