// How does it sound with, and how without? One press, and the other one is heard.
import { useShortcut } from "../shell/shortcuts";
import { Segmented } from "../ui/segmented";
import { isBypassed } from "./live";

const OPTIONS = [
  ["equalized", "Equalized"],
  ["original", "Original"],
] as const;

export function Comparison() {
  useShortcut({ key: "e", words: "Compare with the original" }, () => {
    isBypassed.value = !isBypassed.value;
  });
  return (
    <Segmented
      label="What is heard"
      options={OPTIONS}
      value={isBypassed.value ? "original" : "equalized"}
      onValue={(value) => {
        isBypassed.value = value === "original";
      }}
    />
  );
}
