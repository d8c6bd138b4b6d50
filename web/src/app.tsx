// Which page does an address lead to, and who may open it?
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { ErrorBoundary, LocationProvider, lazy, Route, Router, useLocation } from "preact-iso";
import { exec } from "preact-iso/router";
import { asProblem } from "./api/problems";
import { NotFound } from "./pages/not-found";
import NotLoaded from "./pages/not-loaded";
import { type PageEntry, routes } from "./routes";
import { state } from "./session/session";
import { PageSkeleton, Unreachable } from "./shell/page";
import { Shell } from "./shell/shell";

const contents = routes.map(({ path, load }) => ({ path, component: lazy(orNotLoaded(load)) }));

/** A page that does not come leaves words and a way out, and not an empty window. */
function orNotLoaded(load: PageEntry["load"]): PageEntry["load"] {
  return () =>
    load().catch((error) => {
      reportError(error);
      return { default: NotLoaded };
    });
}

export function App() {
  return (
    <LocationProvider>
      <Shell>
        <ErrorBoundary onError={asProblem}>
          <Gate>
            <Router>
              {contents.map(({ path, component }) => (
                <Route key={path} path={path} component={component} />
              ))}
              <Route default component={NotFound} />
            </Router>
          </Gate>
        </ErrorBoundary>
      </Shell>
    </LocationProvider>
  );
}

/** The page for those whom it is for; others are sent where they belong, and come back afterwards. */
function Gate({ children }: { children: ComponentChildren }) {
  const { path, url, query, route } = useLocation();
  const access = routes.find((page) => exec(path, page.path))?.access;
  const now = state.value;
  const elsewhere =
    access === "members" && now === "signed-out"
      ? `/login${path === "/" ? "" : `?to=${encodeURIComponent(url)}`}`
      : access === "strangers" && now === "signed-in"
        ? ownPath(query.to)
        : null;
  useEffect(() => {
    if (elsewhere !== null) route(elsewhere, true);
  }, [elsewhere, route]);
  if (access && now === "unreachable") return <Unreachable />;
  if (elsewhere !== null || (access !== "strangers" && now === "starting")) return <PageSkeleton />;
  return children;
}

/** Where to go after login; never to another site, whatever an address says. */
export function ownPath(to: string | undefined): string {
  return to !== undefined && /^\/(?![/\\])/.test(to) ? to : "/";
}
