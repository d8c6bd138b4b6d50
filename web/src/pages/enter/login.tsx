// How does somebody come back?
import { useState } from "preact/hooks";
import { hasEnded, logIn } from "../../session/session";
import { useAction } from "../../ui/action";
import { TextField } from "../../ui/text-field";
import { Enter, EnterForm, OtherDoor } from "./enter";

export default function Login() {
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const enter = useAction(() => logIn(username, password));
  return (
    <Enter title="Log in">
      {hasEnded.value && <p role="status">Your session has ended. Log in, and you come back to where you were.</p>}
      <EnterForm enter={enter} words="Log in">
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
      </EnterForm>
      <p class="soft">
        New here? <OtherDoor path="/signup">Make an account</OtherDoor>
      </p>
    </Enter>
  );
}
