// Which machines may act for this person, and how far?
import { useState } from "preact/hooks";
import { answer, api, type Schemas } from "../../api/client";
import { useAction } from "../../ui/action";
import { Button } from "../../ui/button";
import { useLoaded } from "../../ui/loaded";
import { ProblemNote } from "../../ui/notice";
import { TextField } from "../../ui/text-field";
import { dateWords } from "./dates";
import { ToldOnce } from "./told-once";

type Key = Schemas["ApiKeyBody"];
type Scope = Schemas["NewApiKey"]["scopes"][number];

const SCOPES: Readonly<Record<Scope, string>> = {
  read: "See and play songs",
  identify: "Recognise recordings",
  upload: "Upload songs",
  write: "Change and delete what is yours",
};

export function ApiKeys() {
  const { value, problem, reload } = useLoaded(() => answer(api.GET("/v1/auth/api-keys")), []);
  const [made, setMade] = useState<Schemas["CreatedApiKey"] | null>(null);
  const revoke = useAction(async ({ key_id }: Key) => {
    await answer(api.DELETE("/v1/auth/api-keys/{key_id}", { params: { path: { key_id } } }));
    if (made?.key_id === key_id) setMade(null);
    reload();
  });
  return (
    <section class="card stack" aria-labelledby="api-keys">
      <h2 id="api-keys">Keys for machines</h2>
      <p class="soft">
        A script or a device comes in with a key instead of your password, and does what the key allows.
      </p>
      <ProblemNote problem={problem} onRetry={reload} />
      <ProblemNote problem={revoke.problem} />
      {value && value.api_keys.length > 0 && (
        <ul class="account-list">
          {value.api_keys.map((key) => (
            <li key={key.key_id}>
              <div>
                <strong>{key.name}</strong>
                <p class="soft">
                  {key.scopes.join(", ")} · since {dateWords(key.created_at)}
                </p>
              </div>
              <Button
                look="quiet"
                isBusy={revoke.isBusy}
                onClick={() => revoke.run(key)}
                aria-label={`Revoke the key ${key.name}`}
              >
                Revoke
              </Button>
            </li>
          ))}
        </ul>
      )}
      {made ? (
        <ToldOnce label={`The key of ${made.name}.`} text={made.api_key} onDone={() => setMade(null)} />
      ) : (
        <NewKey
          onMade={(key) => {
            setMade(key);
            reload();
          }}
        />
      )}
    </section>
  );
}

function NewKey({ onMade }: { onMade: (key: Schemas["CreatedApiKey"]) => void }) {
  const [isOpen, setOpen] = useState(false);
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<readonly Scope[]>(["read", "identify"]);
  const make = useAction(async () => {
    onMade(await answer(api.POST("/v1/auth/api-keys", { body: { name: name.trim(), scopes: [...scopes] } })));
  });
  if (!isOpen)
    return (
      <div>
        <Button onClick={() => setOpen(true)}>Make a key …</Button>
      </div>
    );
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void make.run();
      }}
    >
      <TextField label="What is it for?" value={name} onValue={setName} maxLength={100} required autocomplete="off" />
      <fieldset class="scopes">
        <legend>It may</legend>
        {(Object.keys(SCOPES) as Scope[]).map((scope) => (
          <label key={scope}>
            <input
              type="checkbox"
              checked={scopes.includes(scope)}
              onChange={({ currentTarget: { checked } }) =>
                setScopes(checked ? [...scopes, scope] : scopes.filter((each) => each !== scope))
              }
            />
            {SCOPES[scope]}
          </label>
        ))}
      </fieldset>
      <ProblemNote problem={make.problem} />
      <div class="row">
        <Button type="submit" look="primary" isBusy={make.isBusy} disabled={scopes.length === 0}>
          Make the key
        </Button>
        <Button look="quiet" onClick={() => setOpen(false)}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
