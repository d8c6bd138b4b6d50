// Where is this person signed in, and which of it should end?
import { answer, api, type Schemas } from "../../api/client";
import { leave } from "../../session/session";
import { useAction } from "../../ui/action";
import { Button } from "../../ui/button";
import type { Loaded } from "../../ui/loaded";
import { ProblemNote } from "../../ui/notice";
import { toast } from "../../ui/toast";
import { Skeleton } from "../../ui/waiting";
import { timeWords } from "./dates";

type Session = Schemas["SessionBody"];

export function Sessions({ value, problem, reload }: Loaded<Schemas["SessionList"]>) {
  const end = useAction(async (session: Session) => {
    await answer(
      api.DELETE("/v1/auth/sessions/{session_id}", { params: { path: { session_id: session.session_id } } }),
    );
    toast({ words: "That session has ended. What it has open stops within minutes." });
    reload();
  });
  const endAll = useAction(async () => {
    await answer(api.POST("/v1/auth/logout-everywhere"));
    leave();
  });
  return (
    <section class="card stack" aria-labelledby="sessions">
      <h2 id="sessions">Where you are signed in</h2>
      <ProblemNote problem={problem} onRetry={reload} />
      <ProblemNote problem={end.problem ?? endAll.problem} />
      <ul class="account-list">
        {!value && !problem && (
          <li>
            <Skeleton height="2.75rem" />
          </li>
        )}
        {value?.sessions.map((session) => (
          <li key={session.session_id}>
            <div>
              <strong>{deviceWords(session.agent)}</strong>
              <p class="soft">
                {session.is_this ? "This browser, since " : "Last used "}
                <time dateTime={session.used_at}>
                  {timeWords(session.is_this ? session.created_at : session.used_at)}
                </time>
              </p>
            </div>
            {!session.is_this && (
              <Button
                look="quiet"
                isBusy={end.isBusy}
                onClick={() => end.run(session)}
                aria-label={`End the session of ${deviceWords(session.agent)}`}
              >
                End
              </Button>
            )}
          </li>
        ))}
      </ul>
      <div>
        <Button onClick={endAll.run} isBusy={endAll.isBusy}>
          Log out everywhere
        </Button>
      </div>
    </section>
  );
}

/** What a browser calls itself is long; people know it by two words. */
export function deviceWords(agent: string): string {
  const browser = ["Edg", "Firefox", "Chrome", "Safari"].find((name) => agent.includes(`${name}/`));
  const system = ["Android", "iPhone", "iPad", "Windows", "Macintosh", "Linux"].find((name) => agent.includes(name));
  if (!browser) return agent.slice(0, 60) || "An unknown client";
  return [browser === "Edg" ? "Edge" : browser, system === "Macintosh" ? "Mac" : system].filter(Boolean).join(" on ");
}
