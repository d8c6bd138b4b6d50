// How does somebody get an account?

import { useState } from "preact/hooks";
import { useLocation } from "preact-iso";
import { signUp } from "../../session/session";
import { useAction } from "../../ui/action";
import { Button } from "../../ui/button";
import { ProblemNote } from "../../ui/notice";
import { TextField } from "../../ui/text-field";
import { Enter } from "./enter";

export default function SignUp() {
  const { query } = useLocation();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [invite, setInvite] = useState(query.invite ?? "");
  const make = useAction(() => signUp(username, password, invite.trim()));
  const wrong = make.problem?.fields ?? {};
  // Whether a code is needed only the server knows, and it says so.
  const asksForInvite = invite !== "" || (make.problem?.code.startsWith("invite") ?? false);
  return (
    <Enter title="Make an account">
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void make.run();
        }}
      >
        <TextField
          label="User name"
          value={username}
          onValue={setUsername}
          autocomplete="username"
          autoCapitalize="none"
          required
          error={wrong.username}
        />
        <TextField
          label="Password"
          type="password"
          value={password}
          onValue={setPassword}
          autocomplete="new-password"
          minLength={12}
          maxLength={128}
          required
          hint="12 characters or more. A few words that belong together only for you are best."
          error={wrong.password}
        />
        {asksForInvite && (
          <TextField label="Invite code" value={invite} onValue={setInvite} autocomplete="off" error={wrong.invite} />
        )}
        <ProblemNote problem={make.problem} />
        <Button type="submit" look="primary" isBusy={make.isBusy}>
          Make an account
        </Button>
      </form>
      <p class="soft">
        Been here before? <a href={`/login${query.to ? `?to=${encodeURIComponent(query.to)}` : ""}`}>Log in</a>
      </p>
    </Enter>
  );
}
