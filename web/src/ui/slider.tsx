// How is a value set by sliding? A native range, which keyboards and screen readers know, with its value in words.
import { useId } from "preact/hooks";
import "./slider.css";

interface SliderProps {
  label: string;
  value: number;
  min: number;
  max: number;
  step: number;
  onValue: (value: number) => void;
  /** The value as it is read out and shown: "+3 dB". */
  words: (value: number) => string;
  /** Where a double click and the key "0" bring it back to. */
  resetTo?: number;
  isLabelHidden?: boolean;
  disabled?: boolean;
}

export function Slider({
  label,
  value,
  min,
  max,
  step,
  onValue,
  words,
  resetTo,
  isLabelHidden,
  disabled,
}: SliderProps) {
  const id = useId();
  const reset = () => resetTo !== undefined && onValue(resetTo);
  return (
    <div class="slider">
      <label for={id} class={isLabelHidden ? "visually-hidden" : ""}>
        {label}
      </label>
      {!isLabelHidden && <output for={id}>{words(value)}</output>}
      <input
        id={id}
        type="range"
        {...{ min, max, step, value }}
        disabled={disabled ?? false}
        aria-valuetext={words(value)}
        onInput={(event) => onValue(event.currentTarget.valueAsNumber)}
        onDblClick={reset}
        onKeyDown={(event) => event.key === "0" && reset()}
      />
    </div>
  );
}
