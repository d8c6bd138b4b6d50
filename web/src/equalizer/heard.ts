// At which rate does this browser play? What an equalizer does near the upper end depends on it a little.
import { audioGraph, hasAudioGraph } from "../player/graph";

/** Of most devices, for as long as nothing has been played. */
const USUAL_HZ = 48_000;

export function sampleRateHz(): number {
  return hasAudioGraph() ? audioGraph().context.sampleRate : USUAL_HZ;
}
