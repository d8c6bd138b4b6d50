// How are days and times of an account said?

export function dateWords(time: string): string {
  return new Date(time).toLocaleDateString(undefined, { dateStyle: "medium" });
}

export function timeWords(time: string): string {
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}
