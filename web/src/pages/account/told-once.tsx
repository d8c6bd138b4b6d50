// How is something told that is told only once? In a field to copy from, until it is put away.
import { useRef, useState } from "preact/hooks";
import { Button } from "../../ui/button";

interface ToldOnceProps {
  /** What it is: "The key of radio". */
  label: string;
  text: string;
  onDone: () => void;
}

export function ToldOnce({ label, text, onDone }: ToldOnceProps) {
  const field = useRef<HTMLInputElement>(null);
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    field.current?.select();
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <div class="told-once" role="status">
      <p>
        <strong>{label}</strong> It is shown now, and never again.
      </p>
      <div class="row">
        <input ref={field} readOnly value={text} aria-label={label} onFocus={(event) => event.currentTarget.select()} />
        {navigator.clipboard && (
          <Button look="primary" onClick={() => void copy()}>
            {isCopied ? "Copied" : "Copy"}
          </Button>
        )}
        <Button look="quiet" onClick={onDone}>
          Put away
        </Button>
      </div>
    </div>
  );
}
