// How is an amount of data said?

/** 2_345_678 → "2.3 MB". */
export function bytes(count: number): string {
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  const step = count < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** step;
  return `${step > 0 && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[step]}`;
}
