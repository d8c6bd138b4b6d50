// Which page does an address lead to, and who may open it?
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { ErrorBoundary, LocationProvider, lazy, Route, Router, useLocation } from "preact-iso";
import { asProblem } from "./api/problems";
import { NotFound } from "./pages/not-found";
import { type PageEntry, routes } from "./routes";
import { state } from "./session/session";
import { PageSkeleton, Unreachable } from "./shell/page";
import { Shell } from "./shell/shell";

const ways = routes.map(({ path, access, load }) => ({ path, component: guarded(access, lazy(load)) }));

export function App() {
  return (
    <LocationProvider>
      <Shell>
        <ErrorBoundary onError={asProblem}>
          <Router>
            {ways.map(({ path, component }) => (
              <Route key={path} path={path} component={component} />
            ))}
            <Route default component={NotFound} />
          </Router>
        </ErrorBoundary>
      </Shell>
    </LocationProvider>
  );
}

/** The page for those whom it is for; others are sent where they belong, and come back afterwards. */
function guarded(access: PageEntry["access"], Content: ComponentType): ComponentType {
  return () => {
    const { path, url, query, route } = useLocation();
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
    if (now === "unreachable") return <Unreachable />;
    if (elsewhere !== null || (now === "starting" && access === "members")) return <PageSkeleton />;
    return <Content />;
  };
}

/** Where to go after login; never to another site, whatever an address says. */
export function ownPath(to: string | undefined): string {
  return to !== undefined && /^\/(?![/\\])/.test(to) ? to : "/";
}
