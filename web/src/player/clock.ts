// How are times in a song written, and how are they said?

/** 83.4 → "1:23", 3723 → "1:02:03". */
export function clock(time_s: number): string {
  const whole = wholeSeconds(time_s);
  const [hours, minutes, seconds] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = `${hours > 0 ? String(minutes).padStart(2, "0") : minutes}:${String(seconds).padStart(2, "0")}`;
  return hours > 0 ? `${hours}:${tail}` : tail;
}

/** 83.4 → "1 minute 23 seconds". */
export function clockWords(time_s: number): string {
  const whole = wholeSeconds(time_s);
  const minutes = Math.floor(whole / 60);
  const words = [count(whole % 60, "second")];
  if (minutes > 0) words.unshift(count(minutes, "minute"));
  return words.join(" ");
}

// Players say 13.999999 of a song of 14 seconds.
function wholeSeconds(time_s: number): number {
  return Math.max(0, Math.floor(time_s + 0.001));
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}
