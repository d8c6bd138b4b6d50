import { expect, test } from "vitest";
import { parse, type ServerEvent } from "./events";

async function read(...chunks: string[]): Promise<ServerEvent[]> {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(encoder.encode(chunk));
      controller.close();
    },
  });
  const found: ServerEvent[] = [];
  for await (const event of parse(body)) found.push(event);
  return found;
}

const STREAM = ': waiting\n\nid: 1\nevent: song\ndata: {"title":\ndata: "Ü"}\n\nid: 2\ndata: [3]\n\n';
const EVENTS = [
  { name: "song", id: "1", data: { title: "Ü" } },
  { name: "message", id: "2", data: [3] },
];

test("events are the same wherever the network cuts them", async () => {
  for (let at = 1; at < STREAM.length; at++) {
    expect(await read(STREAM.slice(0, at), STREAM.slice(at))).toEqual(EVENTS);
  }
});

test("lines may end as on any system", async () => {
  expect(await read(STREAM.replaceAll("\n", "\r\n"))).toEqual(EVENTS);
});

test("an event that has not wholly arrived is none", async () => {
  expect(await read('data: {"half": 1}\n')).toEqual([]);
});
