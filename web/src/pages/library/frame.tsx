// What have all pages of the library? A title, tabs, whose songs count, and a search as one types.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Page } from "../../shell/page";
import { useShortcut } from "../../shell/shortcuts";
import { Icon } from "../../ui/icon";
import { Segmented } from "../../ui/segmented";
import { address, TABS, type Tab, type Wish } from "./wish";
import "./library.css";

interface FrameProps {
  title: string;
  tab: Tab;
  wish: Wish;
  want: (change: Partial<Wish>, isTyping?: boolean) => void;
  /** What is searched for, in the search field. */
  search: string;
  /** Between tabs and search. */
  head?: ComponentChildren;
  /** Above the list, beside the count. */
  tools?: ComponentChildren;
  /** How many there are, once that is known. */
  count: string;
  onDown: () => void;
  children: ComponentChildren;
}

const TYPED_MS = 180;

export function LibraryFrame({ title, tab, wish, want, search, tools, head, count, onDown, children }: FrameProps) {
  return (
    <Page
      title={title}
      actions={
        <Segmented
          label="Whose songs"
          options={[
            ["all", "All"],
            ["mine", "Mine"],
          ]}
          value={wish.mine ? "mine" : "all"}
          onValue={(whose) => want({ mine: whose === "mine" })}
        />
      }
    >
      <div class="tabs">
        {TABS.map(([path, words]) => (
          <a key={path} href={address(path, { mine: wish.mine })} aria-current={path === tab ? "page" : undefined}>
            {words}
          </a>
        ))}
      </div>
      {head}
      <Search label={search} q={wish.q} onSearch={(q) => want({ q }, true)} onDown={onDown} />
      <div class="list-line">
        <p role="status">{count}</p>
        {tools}
      </div>
      {children}
    </Page>
  );
}

interface SearchProps {
  label: string;
  q: string;
  onSearch: (q: string) => void;
  onDown: () => void;
}

function Search({ label, q, onSearch, onDown }: SearchProps) {
  const [typed, setTyped] = useState(q);
  const input = useRef<HTMLInputElement>(null);
  const latest = useRef(onSearch);
  latest.current = onSearch;
  useShortcut({ key: "/", words: "Search" }, () => {
    input.current?.focus();
    input.current?.select();
  });
  // What comes by a link or by going back is shown; what is being typed is not overwritten by its own echo.
  useEffect(() => {
    setTyped((now) => (now.trim() === q ? now : q));
  }, [q]);
  useEffect(() => {
    if (typed.trim() === q) return;
    const timer = setTimeout(() => latest.current(typed.trim()), TYPED_MS);
    return () => clearTimeout(timer);
  }, [typed, q]);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") typed ? setTyped("") : input.current?.blur();
    else if (event.key === "ArrowDown") onDown();
    else return;
    event.preventDefault();
  };
  return (
    <search class="search">
      <Icon name="search" />
      <input
        ref={input}
        type="search"
        aria-label={label}
        placeholder={label}
        autocomplete="off"
        enterkeyhint="search"
        maxLength={200}
        value={typed}
        onInput={(event) => setTyped(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      <span class="search-key only-with-keyboard" aria-hidden="true">
        /
      </span>
    </search>
  );
}
