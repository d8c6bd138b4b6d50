// Which one of a few? Radio buttons that look like one bar.
import { useId } from "preact/hooks";
import "./segmented.css";

interface SegmentedProps<T extends string> {
  label: string;
  options: readonly (readonly [value: T, words: string])[];
  value: T;
  onValue: (value: T) => void;
}

export function Segmented<T extends string>({ label, options, value, onValue }: SegmentedProps<T>) {
  const name = useId();
  return (
    <fieldset class="segmented">
      <legend class="visually-hidden">{label}</legend>
      {options.map(([each, words]) => (
        <label key={each}>
          <input type="radio" name={name} value={each} checked={each === value} onChange={() => onValue(each)} />
          <span>{words}</span>
        </label>
      ))}
    </fieldset>
  );
}
