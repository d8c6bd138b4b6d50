// How much quieter is everything made, so that boosts do not distort?
import { Slider } from "../ui/slider";
import { headroomDb, neededHeadroomDb } from "./filters";
import { sampleRateHz } from "./heard";
import { set, settings } from "./live";
import { decibels } from "./words";

/** What people set by hand; the service takes more. */
const MOST_DB = 20;

export function Headroom() {
  const now = settings.value;
  const needed = neededHeadroomDb(now, sampleRateHz());
  return (
    <div class="eq-headroom">
      <p aria-live="polite">{headroomWords(headroomDb(now, sampleRateHz()), needed)}</p>
      <label class="eq-check">
        <input
          type="checkbox"
          checked={now.headroom_db === null}
          onChange={(event) =>
            set({ headroom_db: event.currentTarget.checked ? null : Math.min(MOST_DB, Math.ceil(2 * needed) / 2) })
          }
        />
        <span>Take just the headroom that the boosts need</span>
      </label>
      {now.headroom_db !== null && (
        <Slider
          label="Headroom"
          min={0}
          max={MOST_DB}
          step={0.5}
          value={now.headroom_db}
          words={(level) => `${level} dB`}
          onValue={(level) => set({ headroom_db: level })}
        />
      )}
    </div>
  );
}

/** What a headroom means for what is heard. */
export function headroomWords(headroom: number, needed: number): string {
  const size = decibels(headroom).replace("+", "");
  const missing = needed - headroom;
  if (missing > 0.05) {
    const short = decibels(missing).replace("+", "");
    return `Loud passages may distort: the headroom is ${short} less than the highest boost.`;
  }
  if (headroom < 0.05) return "Nothing is boosted, so nothing is made quieter.";
  return `Everything plays ${size} quieter, so that the boosts do not distort.`;
}
