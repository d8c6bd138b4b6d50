// How does sound travel to the service? As a small WAV, or as the beginning of a file that somebody has.

/** Music is recognised by what lies below 4 kHz; twice that, and room for the filter. */
const CLIP_RATE_HZ = 16_000;

/** The service listens to the first minute; so much of a file holds one, whatever its encoding. */
export const BEGINNING_BYTES = 12 * 1024 * 1024;

/** A recording as 16-bit mono WAV at 16 kHz: 32 KB a second. */
export async function clipOf(samples: Float32Array, sampleRate: number): Promise<Blob> {
  if (sampleRate <= CLIP_RATE_HZ) return wav(samples, sampleRate);
  // Of all that browsers have to change a rate, only decoding filters properly: a buffer source lets high tones fold.
  const context = new OfflineAudioContext(1, 1, CLIP_RATE_HZ);
  const fewer = await context.decodeAudioData(await wav(samples, sampleRate).arrayBuffer());
  return wav(fewer.getChannelData(0), CLIP_RATE_HZ);
}

/** As much of a file as the service listens to; of MP4 all, for its index may be at its end. */
export function beginningOf(file: File): Blob {
  const isMp4 = /\.(m4a|m4b|mp4|mov)$/i.test(file.name) || /mp4|m4a/.test(file.type);
  return isMp4 || file.size <= BEGINNING_BYTES ? file : file.slice(0, BEGINNING_BYTES, file.type);
}

/** 16-bit mono WAV. */
export function wav(samples: Float32Array, sampleRate: number): Blob {
  const header = new DataView(new ArrayBuffer(44));
  const dataBytes = 2 * samples.length;
  const text = (at: number, words: string) => {
    for (let i = 0; i < words.length; i++) header.setUint8(at + i, words.charCodeAt(i));
  };
  text(0, "RIFF");
  header.setUint32(4, 36 + dataBytes, true);
  text(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true); // PCM
  header.setUint16(22, 1, true); // channels
  header.setUint32(24, sampleRate, true);
  header.setUint32(28, 2 * sampleRate, true);
  header.setUint16(32, 2, true); // bytes a frame
  header.setUint16(34, 16, true); // bits a sample
  text(36, "data");
  header.setUint32(40, dataBytes, true);
  const integers = new DataView(new ArrayBuffer(dataBytes));
  samples.forEach((sample, i) => {
    integers.setInt16(2 * i, Math.round(Math.max(-1, Math.min(1, sample)) * 32_767), true);
  });
  return new Blob([header, integers], { type: "audio/wav" });
}
