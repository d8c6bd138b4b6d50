// What does a page say when there is nothing to show, or when something failed? Words, and a way out.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ProblemError } from "../api/problems";
import { Button } from "./button";
import { Icon, type IconName } from "./icon";
import "./notice.css";

interface EmptyStateProps {
  icon: IconName;
  title: string;
  children?: ComponentChildren;
}

/** Nothing is here yet; the children say what to do about it. */
export function EmptyState({ icon, title, children }: EmptyStateProps) {
  return (
    <div class="empty">
      <span class="empty-icon">
        <Icon name={icon} size={36} />
      </span>
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** What went wrong, read out at once, with "Try again" from the moment when the server says that it may help. */
export function ProblemNote({ problem, onRetry }: { problem: ProblemError | null; onRetry?: () => void }) {
  const waitS = useSecondsUntil(problem?.retryAt ?? null);
  return (
    <div role="alert">
      {problem && (
        <div class="problem">
          <Icon name="alert" />
          <p>
            {problem.message}
            {waitS > 0 && ` You can try again in ${waitS} s.`}
          </p>
          {onRetry && (
            <Button look="quiet" onClick={onRetry} disabled={waitS > 0}>
              Try again
            </Button>
          )}
        </div>
      )}
    </div>
  );
}

/** Whole seconds until a time (milliseconds since 1970), counting down to 0. */
export function useSecondsUntil(at: number | null): number {
  const [now, setNow] = useState(Date.now());
  const waitS = at === null ? 0 : Math.max(0, Math.ceil((at - now) / 1000));
  useEffect(() => {
    setNow(Date.now());
    if (at === null || at <= Date.now()) return;
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [at]);
  return waitS;
}
