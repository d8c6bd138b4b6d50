// What does somebody hear who plays a manifest from its beginning, and then from the middle?

const TAP = `
  registerProcessor("tap", class extends AudioWorkletProcessor {
    process([input]) {
      const silence = new Float32Array(128);
      this.port.postMessage([input[0] ?? silence, input[1] ?? input[0] ?? silence]);
      return true;
    }
  });
`;

// The best quality from the first segment on: a busy machine must not make a player choose another one.
const attach = {
  "hls.js": (audio, url) => {
    const hls = new Hls({ autoStartLoad: false });
    hls.on(Hls.Events.MANIFEST_PARSED, () => {
      hls.currentLevel = hls.levels.length - 1;
      hls.startLoad(0);
    });
    hls.loadSource(url);
    hls.attachMedia(audio);
  },
  "dash.js": (audio, url) => {
    const dash = dashjs.MediaPlayer().create();
    const abr = { autoSwitchBitrate: { audio: false }, initialBitrate: { audio: 100_000 } };
    dash.updateSettings({ streaming: { abr } });
    dash.initialize(audio, url, false);
  },
};

// What the player has played already may still be on its way to the tap.
const TAIL_S = 0.5;

async function until(condition, what) {
  const deadline = performance.now() + 60_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited for a minute: ${what()}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

// Returns [from the beginning, from the middle]: interleaved stereo samples as base64 of little-endian float32. Both
// begin with silence, at a moment when the player stands still at the place where the sound then begins.
async function listen(player, url, beginS, middleAtS, middleS) {
  const context = new AudioContext({ sampleRate: 44_100, latencyHint: "playback" });
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([TAP], { type: "text/javascript" })));
  const audio = new Audio();
  const tap = new AudioWorkletNode(context, "tap", { channelCount: 2, channelCountMode: "explicit" });
  context.createMediaElementSource(audio).connect(tap).connect(context.destination);
  const state = () => `${player} at ${audio.currentTime} s, ready ${audio.readyState}, ${audio.error?.message}`;

  async function record(untilS) {
    const blocks = [];
    tap.port.onmessage = ({ data }) => blocks.push(data);
    await until(() => blocks.length > 20, state);
    await audio.play();
    await until(() => audio.currentTime > untilS + TAIL_S, state);
    tap.port.onmessage = null;
    audio.pause();
    return base64(blocks);
  }

  attach[player](audio, url);
  await until(() => audio.readyState >= 3, state);
  const fromBeginning = await record(beginS);
  audio.currentTime = middleAtS;
  await until(() => !audio.seeking && audio.readyState >= 3, state);
  return [fromBeginning, await record(middleAtS + middleS)];
}

function base64(blocks) {
  const samples = new Float32Array(blocks.length * 256);
  blocks.forEach(([left, right], block) => {
    for (let frame = 0; frame < 128; frame++) {
      samples[256 * block + 2 * frame] = left[frame];
      samples[256 * block + 2 * frame + 1] = right[frame];
    }
  });
  const bytes = new Uint8Array(samples.buffer);
  let text = "";
  for (let at = 0; at < bytes.length; at += 32_768) text += String.fromCharCode(...bytes.subarray(at, at + 32_768));
  return btoa(text);
}
