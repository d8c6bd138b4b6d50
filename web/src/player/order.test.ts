import { expect, test } from "vitest";
import { following, inOrder, moved, type Order, shuffled, withMore, without } from "./order";

const order: Order<string> = { items: [..."abcd"], at: 1, unshuffled: null };
const words = ({ items, at }: Order<string>) => [items.join(""), items[at]];

test.each([
  [0, 3, "bcda"],
  [3, 0, "dabc"],
  [1, 2, "acbd"],
  [2, 1, "acbd"],
  [1, 4, "abcd"],
])("moving %i to %i changes the order and not what is heard", (from, to, expected) => {
  expect(words(moved(order, from, to))).toEqual([expected, "b"]);
});

test("what is taken out before or after goes silently; what is heard makes way for the next, or the last", () => {
  expect(words(without(order, 0))).toEqual(["bcd", "b"]);
  expect(words(without(order, 3))).toEqual(["abc", "b"]);
  expect(words(without(order, 1))).toEqual(["acd", "c"]);
  expect(words(without({ ...order, at: 3 }, 3))).toEqual(["abc", "c"]);
  expect(without({ items: ["a"], at: 0, unshuffled: null }, 0)).toEqual({ items: [], at: -1, unshuffled: null });
});

test("what comes next stands right after what is heard, and all else at the end", () => {
  expect(words(withMore(order, ["x", "y"], 2))).toEqual(["abxycd", "b"]);
  expect(words(withMore(order, ["x", "y"], 4))).toEqual(["abcdxy", "b"]);
});

test("shuffling begins with what is heard and loses nothing", () => {
  const { items, at } = shuffled(order);
  expect([items[at], at, items.toSorted().join("")]).toEqual(["b", 0, "abcd"]);
});

test("after shuffling, the order is what it was: as somebody had moved it, without what they took out since", () => {
  const before = moved(order, 3, 0);
  expect(words(inOrder(shuffled(before)))).toEqual(["dabc", "b"]);
  const twice = shuffled(withMore(before, ["c"], 4));
  const once = without(twice, twice.items.lastIndexOf("c"));
  expect(words(inOrder(withMore(once, ["x"], 1)))).toEqual(["dabcx", "b"]);
});

test("after the last comes none, the first, or by itself the same again", () => {
  const last = { ...order, at: 3 };
  expect(following(order, "off", true)).toBe(2);
  expect(following(last, "off", true)).toBe(null);
  expect(following(last, "all", true)).toBe(0);
  expect([following(last, "one", true), following(last, "one", false)]).toEqual([3, 0]);
  expect(following({ items: [], at: -1, unshuffled: null }, "all", true)).toBe(null);
});
