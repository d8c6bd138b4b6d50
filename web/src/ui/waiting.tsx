// What stands where something will be? A shape of its size, so that nothing jumps when it comes; or how far it is.
import "./waiting.css";

/** A grey shape as wide and high as what will come; lengths as in CSS. */
export function Skeleton({
  width = "100%",
  height = "1em",
  isRound = false,
}: {
  width?: string;
  height?: string;
  isRound?: boolean;
}) {
  return <span class={`skeleton ${isRound ? "skeleton-round" : ""}`} style={{ width, height }} aria-hidden="true" />;
}

/** How much is done, from 0 to 1; null where nobody knows. */
export function Progress({ label, value }: { label: string; value: number | null }) {
  return <progress class="progress" aria-label={label} {...(value === null ? {} : { value, max: 1 })} />;
}
