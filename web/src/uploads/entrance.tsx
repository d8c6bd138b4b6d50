// How do files come in from anywhere? Dropped or pasted on any page; and those of before go on by themselves.

import { useEffect } from "preact/hooks";
import { useLocation } from "preact-iso";
import { account } from "../session/session";
import { acceptDrops } from "../shell/drop-zone";
import { activity, MARK } from "./activity";
import { chosen, dropped, type Found } from "./found";
import "./entrance.css";

export function UploadEntrance() {
  const { route } = useLocation();
  const isUploader = account.value !== null && account.value.role !== "listener";
  useEffect(() => {
    if (!isUploader) return;
    const take = (found: Promise<Found[]>) => {
      if (location.pathname !== "/upload") route("/upload");
      void Promise.all([import("./queue"), found]).then(([queue, files]) => queue.add(files));
    };
    const paste = (event: ClipboardEvent) => {
      const files = chosen(event.clipboardData?.files ?? []);
      if (files.length > 0) take(Promise.resolve(files));
    };
    addEventListener("paste", paste);
    const leave = acceptDrops({ words: "Drop music to upload it", onDrop: (transfer) => take(dropped(transfer)) });
    return () => {
      removeEventListener("paste", paste);
      leave();
    };
  }, [isUploader, route]);
  useEffect(() => {
    if (isUploader && localStorage.getItem(MARK) !== null) void import("./queue");
  }, [isUploader]);
  return null;
}

/** How far the uploads are, beside the word in the navigation. */
export function UploadBadge() {
  const now = activity.value;
  if (!now?.isSending) return null;
  const percent = now.size_bytes === 0 ? 0 : Math.floor((100 * now.sent_bytes) / now.size_bytes);
  return (
    <span class="upload-badge">
      <span class="visually-hidden">, sent so far: </span>
      {percent} %
    </span>
  );
}
