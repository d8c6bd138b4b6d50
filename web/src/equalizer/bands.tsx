// How much bass, mid and treble?
import { Slider } from "../ui/slider";
import { BANDS, MAX_GAIN_DB } from "./filters";
import { set, settings } from "./live";
import { decibels } from "./words";

export function Bands() {
  return (
    <div class="eq-bands">
      {BANDS.map(({ key, words }) => (
        <Slider
          key={key}
          label={words}
          min={-MAX_GAIN_DB}
          max={MAX_GAIN_DB}
          step={0.5}
          value={settings.value[key]}
          words={decibels}
          resetTo={0}
          onValue={(gain) => set({ [key]: gain })}
        />
      ))}
    </div>
  );
}
