// What of the equalizer is at hand while one listens? The preset, three bands, and the comparison; the rest has a page.
import { useEffect } from "preact/hooks";
import { player } from "../player/store";
import { useAction } from "../ui/action";
import { ProblemNote } from "../ui/notice";
import { Bands } from "./bands";
import { Comparison } from "./comparison";
import { choiceProblem, isChanged, origin, take, takeChosen } from "./live";
import { loadPresets, presets } from "./presets";
import { presetWords } from "./words";
import "./panel.css";

export function EqualizerPanel() {
  const load = useAction(loadPresets);
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when it opens.
  useEffect(() => void load.run(), []);
  const chosen = origin.value?.name ?? "";
  return (
    <section class="eq-panel" aria-label="Equalizer">
      {!player.isInGraph.value && <NotHeard />}
      <div class="eq-panel-head">
        <label>
          <span class="visually-hidden">Preset</span>
          <select
            value={chosen}
            onChange={(event) => {
              const preset = presets.value?.find((one) => one.name === event.currentTarget.value);
              if (preset) take(preset);
            }}
          >
            {!presets.value?.some((one) => one.name === chosen) && <option value={chosen}>{chosen}</option>}
            {presets.value?.map((preset) => (
              <option key={preset.name} value={preset.name} selected={preset.name === chosen}>
                {presetWords(preset)}
                {preset.name === chosen && isChanged.value && " · changed"}
              </option>
            ))}
          </select>
        </label>
        <Comparison />
      </div>
      <ProblemNote problem={load.problem} onRetry={load.run} />
      <ProblemNote problem={choiceProblem.value} onRetry={takeChosen} />
      <Bands />
      <a href="/equalizer">Filters, presets and files</a>
    </section>
  );
}

/** Some browsers play adaptive streams by themselves and let nobody in between. */
export function NotHeard() {
  return (
    <p class="eq-note" role="status">
      This browser plays the song by itself, so neither the equalizer nor the same loudness is heard. Files that you
      have made do sound as the equalizer is set.
    </p>
  );
}
