import { expect, test } from "vitest";
import { mayBeMusic } from "./found";
import { progress } from "./progress";
import { Speed, secondsLeft } from "./speed";
import { namedBy } from "./tags";
import { atOnce, missing } from "./transfer";
import { Turns } from "./turns";
import { newRecord, Upload } from "./upload";

const MIB = 1024 ** 2;

function inParts(size_bytes: number, arrived: number[] = []) {
  const part_size_bytes = 5 * MIB;
  const count = Math.ceil(size_bytes / part_size_bytes);
  const parts = Array.from({ length: count }, (_, index) => ({
    number: index + 1,
    size_bytes: Math.min(part_size_bytes, size_bytes - index * part_size_bytes),
    method: "PUT",
    url: `/${index + 1}`,
    headers: {},
    expires_at: "",
  }));
  return { kind: "multipart" as const, part_size_bytes, parts, arrived };
}

test("only what has not arrived is sent, each byte once", () => {
  const size_bytes = 16 * MIB;
  const pieces = missing(inParts(size_bytes, [1, 3]), size_bytes);
  expect(pieces.map(({ begin, end }) => [begin / MIB, end / MIB])).toEqual([
    [5, 10],
    [15, 16],
  ]);
});

test("what a closed tab may lose is a twentieth of a file, or one part", () => {
  for (const size_bytes of [17e6, 42e6, 300e6, 1024 * MIB]) {
    const way = inParts(size_bytes);
    const count = atOnce(way, size_bytes);
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThanOrEqual(4);
    expect(count === 1 || count * way.part_size_bytes <= size_bytes / 20).toBe(true);
  }
});

test("those in a hurry come first, and no turn is lost or given twice", async () => {
  const turns = new Turns(1);
  const order: string[] = [];
  const first = await turns.take();
  const slow = turns.take(false).then((end) => {
    order.push("slow");
    return end;
  });
  const quick = turns.take(true).then((end) => {
    order.push("quick");
    return end;
  });
  first();
  first();
  (await quick)();
  (await slow)();
  expect(order).toEqual(["quick", "slow"]);
});

test("speed is that of the last seconds, and unknown before there are any", () => {
  const speed = new Speed();
  speed.note(0, 0);
  expect(speed.perSecond).toBeNull();
  for (let second = 1; second <= 30; second++) speed.note(second < 15 ? 0 : (second - 15) * 100, second * 1000);
  expect(speed.perSecond).toBe(100);
  expect(secondsLeft(500, speed.perSecond)).toBe(5);
  expect(secondsLeft(500, 0)).toBeNull();
});

test("what will not be sent counts as a file, and not as bytes", () => {
  const all = (["sending", "ended", "refused", "paused"] as const).map((phase, index) => {
    const file = new File([new Uint8Array(100)], `${index}.mp3`);
    const upload = new Upload(newRecord({ file, handle: null, folder: "" }, "somebody", "here", "private"), file);
    upload.phase.value = phase;
    upload.sent_bytes.value = 10;
    return upload;
  });
  const { files, over, sent_bytes, size_bytes } = progress(all, new Speed());
  expect({ files, over, sent_bytes, size_bytes }).toEqual({ files: 4, over: 2, sent_bytes: 120, size_bytes: 300 });
});

test("a name without tags tells artist and title", () => {
  expect(namedBy("03 - Ada Brook - Slow boat.mp3", {})).toEqual({ artist: "Ada Brook", title: "Slow boat" });
  expect(namedBy("03 - Ada Brook - Slow boat.mp3", { artist: "Ada" })).toEqual({ title: "Ada Brook - Slow boat" });
  expect(namedBy("12. Slow_boat.flac", {})).toEqual({ title: "Slow boat" });
  expect(namedBy("1999.wav", {})).toEqual({ title: "1999" });
});

test("notes and covers beside the music stay out", () => {
  const names = ["a.FLAC", "cover.jpg", ".hidden.mp3", "notes.txt", "b.opus"];
  expect(names.filter((name) => mayBeMusic({ name, type: "" }))).toEqual(["a.FLAC", "b.opus"]);
});

test("a title that the service took from the file's name gives way to the tags, until it has read the file", () => {
  const file = new File([], "03 track.flac");
  const upload = new Upload(newRecord({ file, handle: null, folder: "" }, "ada", "tab", "private"), file);
  const say = (title: string, status: string) => {
    upload.song.value = { title, status } as unknown as typeof upload.song.value;
    return upload.title;
  };
  expect(upload.title).toBe("03 track");
  upload.tags.value = { title: "Sea" };
  expect([say("03 track", "uploaded"), say("Typed", "uploaded"), say("03 track", "ready")]).toEqual([
    "Sea",
    "Typed",
    "03 track",
  ]);
});
