// How does somebody come back?

import { useState } from "preact/hooks";
import { useLocation } from "preact-iso";
import { logIn } from "../../session/session";
import { useAction } from "../../ui/action";
import { Button } from "../../ui/button";
import { ProblemNote } from "../../ui/notice";
import { TextField } from "../../ui/text-field";
import { Enter } from "./enter";

export default function Login() {
  const { query } = useLocation();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const enter = useAction(() => logIn(username, password));
  return (
    <Enter title="Log in">
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void enter.run();
        }}
      >
        <TextField
          label="User name"
          value={username}
          onValue={setUsername}
          autocomplete="username"
          autoCapitalize="none"
          required
        />
        <TextField
          label="Password"
          type="password"
          value={password}
          onValue={setPassword}
          autocomplete="current-password"
          required
        />
        <ProblemNote problem={enter.problem} />
        <Button type="submit" look="primary" isBusy={enter.isBusy}>
          Log in
        </Button>
      </form>
      <p class="soft">
        New here? <a href={`/signup${query.to ? `?to=${encodeURIComponent(query.to)}` : ""}`}>Make an account</a>
      </p>
    </Enter>
  );
}
