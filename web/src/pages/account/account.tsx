// What belongs to one's account: where one is signed in, the password, keys for machines, for admins all people, and the end of it.
import { useState } from "preact/hooks";
import { answer, api } from "../../api/client";
import { account, leave, logOut } from "../../session/session";
import { Page } from "../../shell/page";
import { useAction } from "../../ui/action";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { useLoaded } from "../../ui/loaded";
import { ProblemNote } from "../../ui/notice";
import { TextField } from "../../ui/text-field";
import { toast } from "../../ui/toast";
import { ApiKeys } from "./api-keys";
import { Invites, People } from "./people";
import { Sessions } from "./sessions";
import "./account.css";

export default function AccountPage() {
  const out = useAction(logOut);
  const sessions = useLoaded(() => answer(api.GET("/v1/auth/sessions")), []);
  return (
    <Page
      title="Account"
      isNarrow
      actions={
        <Button onClick={out.run} isBusy={out.isBusy}>
          Log out
        </Button>
      }
    >
      <p class="soft">
        Signed in as <strong class="account-name">{account.value?.username}</strong>
        {account.value?.role === "admin" && ", who runs this place"}
        {account.value?.role === "listener" && ", who may listen but not upload"}.
      </p>
      <ProblemNote problem={out.problem} />
      <Sessions {...sessions} />
      {(sessions.value || sessions.problem) && <Rest />}
    </Page>
  );
}

/** What comes once it is known how long the list above is, so that nothing jumps. */
function Rest() {
  return (
    <>
      <Password />
      <ApiKeys />
      {account.value?.role === "admin" && (
        <>
          <People />
          <Invites />
        </>
      )}
      <End />
    </>
  );
}

function Password() {
  const [before, setBefore] = useState("");
  const [next, setNext] = useState("");
  const change = useAction(async () => {
    await answer(api.POST("/v1/auth/password", { body: { old_password: before, new_password: next } }));
    setBefore("");
    setNext("");
    toast({ words: "Your password is changed. All other sessions have ended." });
  });
  return (
    <section class="card stack" aria-labelledby="password">
      <h2 id="password">Password</h2>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void change.run();
        }}
      >
        <input
          type="text"
          class="visually-hidden"
          autocomplete="username"
          value={account.value?.username}
          tabIndex={-1}
          aria-hidden="true"
          readOnly
        />
        <TextField
          label="Password so far"
          type="password"
          autocomplete="current-password"
          required
          value={before}
          onValue={setBefore}
        />
        <TextField
          label="New password"
          type="password"
          autocomplete="new-password"
          minLength={12}
          maxLength={128}
          required
          hint="12 characters or more."
          value={next}
          onValue={setNext}
          error={change.problem?.fields.new_password}
        />
        <ProblemNote problem={change.problem} />
        <div>
          <Button type="submit" isBusy={change.isBusy}>
            Change the password
          </Button>
        </div>
      </form>
    </section>
  );
}

function End() {
  const [isAsking, setAsking] = useState(false);
  const [password, setPassword] = useState("");
  const end = useAction(async () => {
    await answer(api.POST("/v1/auth/delete-account", { body: { password } }));
    leave();
    toast({ words: "Your account and your songs are deleted." });
  });
  return (
    <section class="card stack" aria-labelledby="end">
      <h2 id="end">Delete the account</h2>
      <p class="soft">Your songs, presets and history go with it. This cannot be taken back.</p>
      <div>
        <Button look="danger" onClick={() => setAsking(true)}>
          Delete my account …
        </Button>
      </div>
      {isAsking && (
        <Dialog title="Delete your account?" onClose={() => setAsking(false)}>
          <form
            class="stack"
            onSubmit={(event) => {
              event.preventDefault();
              void end.run();
            }}
          >
            <p>All of your songs are deleted, also those that you share with others.</p>
            <TextField
              label="Your password"
              type="password"
              autocomplete="current-password"
              required
              value={password}
              onValue={setPassword}
            />
            <ProblemNote problem={end.problem} />
            <div class="row">
              <Button type="submit" look="danger" isBusy={end.isBusy}>
                Delete everything
              </Button>
              <Button look="quiet" onClick={() => setAsking(false)}>
                Keep it
              </Button>
            </div>
          </form>
        </Dialog>
      )}
    </section>
  );
}
