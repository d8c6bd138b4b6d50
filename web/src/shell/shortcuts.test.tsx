import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, expect, test } from "vitest";
import { useShortcut } from "./shortcuts";

const done: string[] = [];

function Page({ name }: { name: string }) {
  useShortcut({ key: "r", words: name }, () => done.push(name));
  return <input aria-label={name} />;
}

const press = (key: string, target: EventTarget = document.body, init: KeyboardEventInit = {}) =>
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...init }));
const show = (...names: string[]) =>
  act(() =>
    render(
      names.map((name) => <Page key={name} name={name} />),
      document.body,
    ),
  );

afterEach(async () => {
  await act(() => render(null, document.body));
  done.length = 0;
});

test("of equal shortcuts the latest wins, and what is gone does nothing", async () => {
  await show("below", "above");
  press("r");
  await show("below");
  press("r");
  await show();
  press("r");
  expect(done).toEqual(["above", "below"]);
});

test("letters are typed where one types, and the browser keeps its own shortcuts", async () => {
  await show("page");
  press("r", document.querySelector("input") ?? document.body);
  press("r", document.body, { ctrlKey: true });
  expect(done).toEqual([]);
});

test("Space presses the button that keys have reached, and not one that was clicked", async () => {
  const Playing = () => {
    useShortcut({ key: " ", words: "Play or pause" }, () => done.push("pause"));
    return <button type="button">Song</button>;
  };
  await act(() => render(<Playing />, document.body));
  const button = document.querySelector("button") ?? document.body;
  const focus = () => button.dispatchEvent(new FocusEvent("focusin", { bubbles: true }));
  focus();
  press(" ", button);
  expect(done).toEqual([]);
  dispatchEvent(new Event("pointerdown"));
  focus();
  dispatchEvent(new Event("pointerup"));
  press(" ", button);
  expect(done).toEqual(["pause"]);
});
