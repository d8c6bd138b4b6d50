// What does one press? A word that acts, or a sign with a name.
import type { ButtonHTMLAttributes, ComponentChildren } from "preact";
import { Icon, type IconName } from "./icon";
import "./button.css";

interface ButtonProps extends Omit<ButtonHTMLAttributes, "icon" | "loading"> {
  /** `primary` once per view at most; `danger` for what cannot be taken back. */
  look?: "primary" | "plain" | "quiet" | "danger";
  icon?: IconName;
  /** Work is under way: the button stays where it is and takes no second press. */
  isBusy?: boolean;
  children: ComponentChildren;
}

export function Button({
  look = "plain",
  icon,
  isBusy = false,
  children,
  class: more,
  disabled,
  ...rest
}: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      class={`button button-${look} ${more ?? ""}`}
      disabled={disabled ?? false}
      aria-disabled={isBusy || undefined}
      aria-busy={isBusy || undefined}
      onClick={isBusy ? (event) => event.preventDefault() : rest.onClick}
    >
      {icon && <Icon name={icon} size={20} />}
      {children}
    </button>
  );
}

interface IconButtonProps extends Omit<ButtonHTMLAttributes, "icon" | "label"> {
  icon: IconName;
  /** What it does, for screen readers and as a hint. */
  label: string;
}

export function IconButton({ icon, label, class: more, ...rest }: IconButtonProps) {
  return (
    <button type="button" {...rest} class={`icon-button ${more ?? ""}`} aria-label={label} title={label}>
      <Icon name={icon} />
    </button>
  );
}
