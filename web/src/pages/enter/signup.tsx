// How does somebody get an account?
import { useState } from "preact/hooks";
import { useLocation } from "preact-iso";
import { answer, api } from "../../api/client";
import { signUp } from "../../session/session";
import { useAction } from "../../ui/action";
import { useLoaded } from "../../ui/loaded";
import { TextField } from "../../ui/text-field";
import { Skeleton } from "../../ui/waiting";
import { Enter, EnterForm, OtherDoor } from "./enter";

export default function SignUp() {
  const { value, problem } = useLoaded(() => answer(api.GET("/v1/auth/signup")), []);
  return (
    <Enter title="Make an account">
      {value?.signup === "closed" ? (
        <p>This place takes no new accounts. Only whoever runs it can change that.</p>
      ) : value || problem ? (
        <NewAccount needsInvite={value?.signup === "invite"} />
      ) : (
        <Skeleton height="19.5rem" />
      )}
      <p class="soft">
        Been here before? <OtherDoor path="/login">Log in</OtherDoor>
      </p>
    </Enter>
  );
}

function NewAccount({ needsInvite }: { needsInvite: boolean }) {
  const { query } = useLocation();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [invite, setInvite] = useState(query.invite ?? "");
  const make = useAction(() => signUp(username, password, invite.trim()));
  const wrong = make.problem?.fields ?? {};
  return (
    <EnterForm enter={make} words="Make an account">
      {(needsInvite || query.invite) && (
        <TextField
          label="Invite code"
          value={invite}
          onValue={setInvite}
          autocomplete="off"
          autoCapitalize="none"
          required={needsInvite}
          hint="New accounts come by invite here; whoever invites you has the code."
          error={wrong.invite}
        />
      )}
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
    </EnterForm>
  );
}
