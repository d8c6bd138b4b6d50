// What does one type into? A field with its name above, and what is wrong below.
import type { InputHTMLAttributes } from "preact";
import { useId } from "preact/hooks";
import "./text-field.css";

type Native =
  | "autocomplete"
  | "autoCapitalize"
  | "inputMode"
  | "maxLength"
  | "minLength"
  | "name"
  | "pattern"
  | "placeholder"
  | "required";

interface TextFieldProps extends Pick<InputHTMLAttributes, Native> {
  label: string;
  value: string;
  onValue: (value: string) => void;
  type?: "text" | "password" | "search" | "number";
  hint?: string;
  error?: string | undefined;
}

export function TextField({ label, value, onValue, type = "text", hint, error, ...rest }: TextFieldProps) {
  const id = useId();
  const note = error ?? hint;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        {...({ ...rest, type } as InputHTMLAttributes)}
        id={id}
        value={value}
        onInput={(event) => onValue(event.currentTarget.value)}
        aria-invalid={error ? true : undefined}
        aria-describedby={note ? `${id}-note` : undefined}
      />
      {note && (
        <p id={`${id}-note`} class={error ? "field-error" : "field-hint"}>
          {note}
        </p>
      )}
    </div>
  );
}
