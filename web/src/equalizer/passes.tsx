// Which parts of the sound are cut away? A high-pass, a low-pass, and a band-pass, with corner and steepness.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { Slider } from "../ui/slider";
import { HIGHEST_HZ, LOWEST_HZ } from "./filters";
import { set, settings } from "./live";
import { hertz, steepness } from "./words";

/** How many steps the slider of a frequency has; each is the same musical distance. */
const STEPS = 300;
const ORDERS = [2, 4, 6, 8] as const;
/** A band has a width: its corners stay this factor apart. */
const NARROWEST = 1.1;

export function Passes() {
  const now = settings.value;
  const { high_pass_hz, low_pass_hz, band_pass_low_hz: from, band_pass_high_hz: to } = now;
  return (
    <div class="eq-passes">
      <Pass
        words="High-pass"
        hint="Takes away what is lower: rumble, hum."
        isOn={high_pass_hz !== null}
        onSwitch={(isOn) => set({ high_pass_hz: isOn ? 80 : null })}
        order={now.high_pass_order}
        onOrder={(order) => set({ high_pass_order: order })}
      >
        {high_pass_hz !== null && (
          <Frequency label="Lets through from" hz={high_pass_hz} onHz={(hz) => set({ high_pass_hz: hz })} />
        )}
      </Pass>
      <Pass
        words="Low-pass"
        hint="Takes away what is higher: hiss, edge."
        isOn={low_pass_hz !== null}
        onSwitch={(isOn) => set({ low_pass_hz: isOn ? 12_000 : null })}
        order={now.low_pass_order}
        onOrder={(order) => set({ low_pass_order: order })}
      >
        {low_pass_hz !== null && (
          <Frequency label="Lets through up to" hz={low_pass_hz} onHz={(hz) => set({ low_pass_hz: hz })} />
        )}
      </Pass>
      <Pass
        words="Band-pass"
        hint="Leaves only what is between: a voice, a telephone."
        isOn={from !== null}
        onSwitch={(isOn) => set({ band_pass_low_hz: isOn ? 300 : null, band_pass_high_hz: isOn ? 3400 : null })}
        order={now.band_pass_order}
        onOrder={(order) => set({ band_pass_order: order })}
      >
        {from !== null && to !== null && (
          <>
            <Frequency
              label="Lets through from"
              hz={from}
              onHz={(hz) => set({ band_pass_low_hz: Math.min(hz, Math.floor(to / NARROWEST)) })}
            />
            <Frequency
              label="Lets through up to"
              hz={to}
              onHz={(hz) => set({ band_pass_high_hz: Math.max(hz, Math.ceil(from * NARROWEST)) })}
            />
          </>
        )}
      </Pass>
    </div>
  );
}

interface PassProps {
  words: string;
  hint: string;
  isOn: boolean;
  onSwitch: (isOn: boolean) => void;
  order: number;
  onOrder: (order: number) => void;
  children: ComponentChildren;
}

function Pass({ words, hint, isOn, onSwitch, order, onOrder, children }: PassProps) {
  const id = useId();
  return (
    <fieldset class="eq-pass">
      <legend class="visually-hidden">{words}</legend>
      <label class="eq-switch">
        <input
          type="checkbox"
          checked={isOn}
          onChange={(event) => onSwitch(event.currentTarget.checked)}
          aria-describedby={id}
        />
        <strong>{words}</strong>
        <span id={id} class="soft">
          {hint}
        </span>
      </label>
      {isOn && (
        <div class="eq-pass-values">
          {children}
          <label class="eq-steepness">
            <span>Steepness</span>
            <select value={order} onChange={(event) => onOrder(Number(event.currentTarget.value))}>
              {ORDERS.map((each) => (
                <option key={each} value={each} selected={each === order}>
                  {steepness(each)}
                </option>
              ))}
            </select>
          </label>
        </div>
      )}
    </fieldset>
  );
}

function Frequency({ label, hz, onHz }: { label: string; hz: number; onHz: (hz: number) => void }) {
  const decades = Math.log10(HIGHEST_HZ / LOWEST_HZ);
  return (
    <Slider
      label={label}
      min={0}
      max={STEPS}
      step={1}
      value={(STEPS * Math.log10(hz / LOWEST_HZ)) / decades}
      words={() => hertz(hz)}
      onValue={(step) => onHz(Math.round(LOWEST_HZ * 10 ** ((decades * step) / STEPS)))}
    />
  );
}
