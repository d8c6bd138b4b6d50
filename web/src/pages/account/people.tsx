// Who is here, and who may come? For admins alone.
import { useState } from "preact/hooks";
import { answer, api, type Schemas } from "../../api/client";
import { account } from "../../session/session";
import { useAction } from "../../ui/action";
import { Button, IconButton } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { useLoaded } from "../../ui/loaded";
import { ProblemNote } from "../../ui/notice";
import { toast } from "../../ui/toast";
import { dateWords } from "./dates";
import { ToldOnce } from "./told-once";

type Person = Schemas["UserBody"];
type Role = Schemas["RoleChange"]["role"];

const ROLES: Readonly<Record<Role, string>> = {
  listener: "Listens",
  contributor: "Listens and uploads",
  admin: "Runs this place",
};

export function Invites() {
  const { value, problem, reload } = useLoaded(() => answer(api.GET("/v1/auth/invites")), []);
  const [role, setRole] = useState<Role>("contributor");
  const [code, setCode] = useState<string | null>(null);
  const invite = useAction(async () => {
    const body = { role: role as Schemas["NewInvite"]["role"] };
    setCode((await answer(api.POST("/v1/auth/invites", { body }))).code);
    reload();
  });
  const withdraw = useAction(async (invite_id: string) => {
    await answer(api.DELETE("/v1/auth/invites/{invite_id}", { params: { path: { invite_id } } }));
    setCode(null);
    reload();
  });
  return (
    <section class="card stack" aria-labelledby="invites">
      <h2 id="invites">Invites</h2>
      <p class="soft">Each is good for one account. Send the link to whom you invite.</p>
      <ProblemNote problem={problem} onRetry={reload} />
      <ProblemNote problem={invite.problem ?? withdraw.problem} />
      {value && value.invites.length > 0 && (
        <ul class="account-list">
          {value.invites.map((each) => (
            <li key={each.invite_id}>
              <div>
                <strong>{ROLES[each.role as Role]}</strong>
                <p class="soft">
                  Made {dateWords(each.created_at)}, good until {dateWords(each.expires_at)}
                </p>
              </div>
              <Button
                look="quiet"
                isBusy={withdraw.isBusy}
                onClick={() => withdraw.run(each.invite_id)}
                aria-label={`Withdraw the invite of ${dateWords(each.created_at)}`}
              >
                Withdraw
              </Button>
            </li>
          ))}
        </ul>
      )}
      {code === null ? (
        <div class="row">
          <RoleChoice label="What the invited may do" value={role} without="admin" onRole={setRole} />
          <Button onClick={() => invite.run()} isBusy={invite.isBusy}>
            Invite somebody
          </Button>
        </div>
      ) : (
        <ToldOnce
          label="The link of the invite."
          text={`${location.origin}/signup?invite=${encodeURIComponent(code)}`}
          onDone={() => setCode(null)}
        />
      )}
    </section>
  );
}

export function People() {
  const [people, setPeople] = useState<readonly Person[]>([]);
  const [cursor, setCursor] = useState<string | null>(null);
  const [leaving, setLeaving] = useState<Person | null>(null);
  const more = async (from: string | null) => {
    const page = await answer(api.GET("/v1/auth/users", { params: { query: from === null ? {} : { cursor: from } } }));
    setPeople((before) => (from === null ? page.users : [...before, ...page.users]));
    setCursor(page.next_cursor);
  };
  const first = useLoaded(() => more(null), []);
  const next = useAction(more);
  const change = useAction(async ({ user_id, username }: Person, role: Role) => {
    const changed = await answer(
      api.PATCH("/v1/auth/users/{user_id}", { params: { path: { user_id } }, body: { role } }),
    );
    setPeople((before) => before.map((each) => (each.user_id === user_id ? changed : each)));
    toast({ words: `${username} ${ROLES[role].toLowerCase()}. It takes effect within minutes.` });
  });
  return (
    <section class="card stack" aria-labelledby="people">
      <h2 id="people">People</h2>
      <ProblemNote problem={first.problem} onRetry={first.reload} />
      <ProblemNote problem={change.problem ?? next.problem} />
      <ul class="account-list">
        {people.map((person) => (
          <li key={person.user_id}>
            <div>
              <strong>{person.username}</strong>
              <p class="soft">Since {dateWords(person.created_at)}</p>
            </div>
            {person.user_id === account.value?.user_id ? (
              <span class="soft">You</span>
            ) : (
              <div class="account-tools">
                <RoleChoice
                  label={`What ${person.username} may do`}
                  value={person.role}
                  onRole={(role) => change.run(person, role)}
                />
                <IconButton
                  icon="trash"
                  label={`Delete the account of ${person.username}`}
                  onClick={() => setLeaving(person)}
                />
              </div>
            )}
          </li>
        ))}
      </ul>
      {cursor !== null && (
        <div>
          <Button onClick={() => next.run(cursor)} isBusy={next.isBusy}>
            Show more
          </Button>
        </div>
      )}
      {leaving && (
        <Deletion
          person={leaving}
          onClose={() => setLeaving(null)}
          onDeleted={() => {
            setPeople((before) => before.filter((each) => each !== leaving));
            setLeaving(null);
          }}
        />
      )}
    </section>
  );
}

interface DeletionProps {
  person: Person;
  onClose: () => void;
  onDeleted: () => void;
}

function Deletion({ person: { user_id, username }, onClose, onDeleted }: DeletionProps) {
  const remove = useAction(async () => {
    await answer(api.DELETE("/v1/auth/users/{user_id}", { params: { path: { user_id } } }));
    onDeleted();
    toast({ words: `The account of ${username} is deleted.` });
  });
  return (
    <Dialog title={`Delete the account of ${username}?`} onClose={onClose}>
      <p>
        All songs, presets and keys of {username} go with it, also what everybody here sees. This cannot be taken back.
      </p>
      <ProblemNote problem={remove.problem} />
      <div class="row">
        <Button look="danger" onClick={() => remove.run()} isBusy={remove.isBusy}>
          Delete everything
        </Button>
        <Button look="quiet" onClick={onClose}>
          Keep it
        </Button>
      </div>
    </Dialog>
  );
}

interface RoleChoiceProps {
  label: string;
  value: Role;
  /** A role that is not given here. */
  without?: Role;
  onRole: (role: Role) => void;
}

function RoleChoice({ label, value, without, onRole }: RoleChoiceProps) {
  return (
    <select
      class="role-choice"
      aria-label={label}
      value={value}
      onChange={(event) => onRole(event.currentTarget.value as Role)}
    >
      {(Object.keys(ROLES) as Role[])
        .filter((role) => role !== without)
        .map((role) => (
          <option key={role} value={role}>
            {ROLES[role]}
          </option>
        ))}
    </select>
  );
}
