// Does a long list come from where one looks, and does it stay right?
import { expect, test, vi } from "vitest";
import { LongList, PAGE } from "./long-list";

/** Numbers in order, behind cursors that are numbers too; it notes from where it was read. */
function numbers(count: number) {
  const read: number[] = [];
  const all = { count, first: 0 };
  const list = new LongList<number>({
    page: async (cursor) => {
      const at = Number(cursor ?? 0);
      read.push(at);
      const items = Array.from({ length: Math.min(PAGE, all.count - at) }, (_, index) => all.first + at + index);
      return { items, next: at + PAGE < all.count ? String(at + PAGE) : null };
    },
    parts: async () => ({
      count: all.count,
      cursors: Array.from({ length: Math.floor(all.count / PAGE) }, (_, part) => String((part + 1) * PAGE)),
    }),
  });
  return { all, list, read };
}

const settled = (list: LongList<number>) => vi.waitFor(() => expect(list.isLoading.value).toBe(false));
const counted = (list: LongList<number>) => vi.waitFor(() => expect(list.isWhole.value).toBe(true));

test("only what is seen is read, from anywhere", async () => {
  const { list, read } = numbers(12_345);
  list.want(0, 20);
  await counted(list);
  expect(list.items.value.length).toBe(12_345);
  list.want(12_330, 12_345);
  await vi.waitFor(() => expect(list.items.value[12_344]).toBe(12_344));
  await settled(list);
  expect(list.items.value[6000]).toBeUndefined();
  expect(read).toEqual([0, 12_300]);
});

test("a list that has become shorter ends where it ends now", async () => {
  const { all, list } = numbers(450);
  list.want(0, 20);
  await counted(list);
  all.count = 420;
  list.want(400, 450);
  await vi.waitFor(() => expect(list.items.value.length).toBe(420));
  await settled(list);
});

test("who comes back to a list whose beginning is another sees the new one", async () => {
  const { all, list, read } = numbers(300);
  list.want(0, 20);
  await counted(list);
  list.want(200, 220);
  await vi.waitFor(() => expect(list.items.value[200]).toBe(200));
  await settled(list);
  list.lookAgain();
  list.want(200, 220);
  await settled(list);
  expect(list.items.value[200]).toBe(200);
  all.first = 1000;
  list.lookAgain();
  list.want(200, 220);
  await vi.waitFor(() => expect(list.items.value[200]).toBe(1200));
  expect(read).toEqual([0, 200, 0, 0, 200]);
});

test("where it cannot be counted it is read on page by page", async () => {
  const { list, read } = numbers(250);
  list.source.parts = async () => Promise.reject(new Error("no"));
  list.want(0, 20);
  await settled(list);
  for (const last of [100, 200, 250]) {
    list.want(last - 20, last);
    await settled(list);
  }
  expect(list.items.value).toEqual(Array.from({ length: 250 }, (_, index) => index));
  expect(list.isWhole.value).toBe(true);
  expect(read).toEqual([0, 100, 200]);
});
