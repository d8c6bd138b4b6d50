// How should it sound? The whole equalizer: presets, curve, bands, filters, headroom, and files that sound the same.
import { useEffect } from "preact/hooks";
import { Bands } from "../../equalizer/bands";
import { Comparison } from "../../equalizer/comparison";
import { Curve } from "../../equalizer/curve";
import { FileMaker } from "../../equalizer/file-maker";
import { Headroom } from "../../equalizer/headroom";
import { choiceProblem, origin, takeChosen } from "../../equalizer/live";
import { NotHeard } from "../../equalizer/panel";
import { Passes } from "../../equalizer/passes";
import { PresetBar } from "../../equalizer/preset-bar";
import { loadPresets } from "../../equalizer/presets";
import { current, player } from "../../player/store";
import { Page } from "../../shell/page";
import { useLoaded } from "../../ui/loaded";
import { ProblemNote } from "../../ui/notice";
import "./equalizer.css";

export default function EqualizerPage() {
  const { problem, reload } = useLoaded(loadPresets, []);
  useEffect(() => {
    if (origin.peek() === null) void takeChosen();
  }, []);
  const song = current.value;
  return (
    <Page title="Equalizer" actions={<Comparison />}>
      <p class="soft eq-playing">
        {song ? (
          <>
            You hear <strong>{song.title}</strong>
            {song.artist && ` by ${song.artist}`}. What you set is heard at once.
          </>
        ) : (
          "Nothing plays now. What you set is heard as soon as a song begins."
        )}
      </p>
      {!player.isInGraph.value && <NotHeard />}
      <ProblemNote problem={problem} onRetry={reload} />
      <ProblemNote problem={choiceProblem.value} onRetry={takeChosen} />
      <PresetBar />
      <section class="eq-card stack" aria-label="Bands">
        <Curve />
        <Bands />
        <Headroom />
      </section>
      <div class="eq-columns">
        <section class="eq-card stack" aria-labelledby="eq-passes">
          <h2 id="eq-passes">Filters</h2>
          <Passes />
        </section>
        <div class="eq-card">
          <FileMaker />
        </div>
      </div>
    </Page>
  );
}
