// What does the microphone hear? Samples as they are, without what browsers do to voices.
import workletUrl from "./recorder-worklet.js?url";

/** Why there is no microphone. */
export type Refusal = "insecure" | "denied" | "missing" | "busy";

export class MicrophoneRefused extends Error {
  override readonly name = "MicrophoneRefused";

  constructor(readonly refusal: Refusal) {
    super(refusal);
  }
}

/** Made for voices: they take away from music what it is recognised by. Some phones keep them on. */
const PROCESSING = { echoCancellation: false, noiseSuppression: false, autoGainControl: false } as const;

export interface Recording {
  samples: Float32Array;
  sampleRate: number;
  /** When its last sample was heard, by `performance.now()`. */
  endedAt: number;
}

export class Microphone {
  /** What this browser does to the sound although it was asked not to. */
  readonly processing: readonly string[];
  /** How loud it was just now: dB of full scale, root mean square. */
  onLevel: (dbfs: number) => void = () => undefined;

  #blocks: Float32Array[] = [];
  #count = 0;
  #endedAt = performance.now();
  #waiting: { samples: number; resolve: () => void } | null = null;
  #isOpen = true;

  private constructor(
    private readonly context: AudioContext,
    private readonly track: MediaStreamTrack,
    private readonly longestS: number,
  ) {
    const settings = track.getSettings();
    this.processing = Object.keys(PROCESSING).filter((name) => settings[name as keyof typeof PROCESSING] === true);
    track.addEventListener("ended", () => this.close());
  }

  /** Ask for the microphone, and listen for so many seconds at most; called in the event of a press. */
  static async open(longestS: number, signal: AbortSignal): Promise<Microphone> {
    if (!isSecureContext || !navigator.mediaDevices?.getUserMedia) throw new MicrophoneRefused("insecure");
    const context = new AudioContext();
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: PROCESSING });
      const [track] = stream.getAudioTracks();
      if (!track) throw new MicrophoneRefused("missing");
      signal.addEventListener("abort", () => track.stop());
      if (signal.aborted) track.stop();
      signal.throwIfAborted();
      await Promise.all([context.audioWorklet.addModule(workletUrl), context.resume()]);
      signal.throwIfAborted();
      const microphone = new Microphone(context, track, longestS);
      const recorder = new AudioWorkletNode(context, "recorder");
      recorder.port.onmessage = ({ data }) => microphone.#take(data);
      // What is connected to nothing may not run; what comes out of the recorder is silence.
      new MediaStreamAudioSourceNode(context, { mediaStream: stream }).connect(recorder).connect(context.destination);
      signal.addEventListener("abort", () => microphone.close());
      return microphone;
    } catch (error) {
      void context.close();
      throw refused(error);
    }
  }

  get heardS(): number {
    return this.#count / this.context.sampleRate;
  }

  /** Wait until so much is heard, or until it hears no more. */
  async until(seconds: number): Promise<void> {
    if (!this.#isOpen || this.heardS >= seconds) return;
    await new Promise<void>((resolve) => {
      this.#waiting = { samples: seconds * this.context.sampleRate, resolve };
    });
  }

  /** Everything so far. */
  recording(): Recording {
    const samples = new Float32Array(this.#count);
    let at = 0;
    for (const block of this.#blocks) {
      samples.set(block, at);
      at += block.length;
    }
    return { samples, sampleRate: this.context.sampleRate, endedAt: this.#endedAt };
  }

  /** Let go of the microphone; what it has heard stays. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.track.stop();
    void this.context.close();
    this.#waiting?.resolve();
  }

  #take(block: Float32Array): void {
    if (!this.#isOpen) return;
    this.#blocks.push(block);
    this.#count += block.length;
    this.#endedAt = performance.now();
    this.onLevel(levelDbfs(block));
    if (this.#waiting && this.#count >= this.#waiting.samples) this.#waiting.resolve();
    if (this.heardS >= this.longestS) this.close();
  }
}

/** Root mean square in dB of full scale; digital silence is -120. */
export function levelDbfs(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return Math.max(-120, 10 * Math.log10(sum / Math.max(samples.length, 1)));
}

function refused(error: unknown): unknown {
  if (!(error instanceof DOMException)) return error;
  const refusals: Record<string, Refusal> = {
    NotAllowedError: "denied",
    SecurityError: "denied",
    NotFoundError: "missing",
    OverconstrainedError: "missing",
    NotReadableError: "busy",
  };
  const refusal = refusals[error.name];
  return refusal ? new MicrophoneRefused(refusal) : error;
}
