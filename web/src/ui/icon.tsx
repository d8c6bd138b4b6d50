// Which signs do we draw? Each is a path on a square of 24, in strokes of the text's colour.
const PATHS = {
  account: "M12 12.5a4.25 4.25 0 1 0 0-8.5 4.25 4.25 0 0 0 0 8.5ZM4.5 20.5c.9-3.4 3.8-5 7.5-5s6.6 1.6 7.5 5",
  alert: "M12 4 3 19.5h18L12 4Zm0 5.8v4.4m0 2.7v.1",
  check: "m5 12.8 4.6 4.6L19.5 7",
  close: "m6 6 12 12M18 6 6 18",
  cover: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Zm0-6.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Z",
  down: "m6 9.5 6 6 6-6",
  edit: "M4.5 19.5 5.6 15 16 4.6a1.6 1.6 0 0 1 2.3 0l1.1 1.1a1.6 1.6 0 0 1 0 2.3L9 18.4l-4.5 1.1Zm9.8-13.2 3.4 3.4",
  keyboard: "M3 7.5h18v10H3zM7 11h.1m3.3 0h.1m3.3 0h.1m3.2 0h.1M8 14.5h8",
  library: "M4.5 4v16M9 4v16m5-15.5 5.5 15",
  link: "M9 6.5H6a2 2 0 0 0-2 2V18a2 2 0 0 0 2 2h9.5a2 2 0 0 0 2-2v-3M13 4.5h6.5V11M19 5l-8.5 8.5",
  lock: "M6 10.5h12v9H6zM8.5 10.5V8a3.5 3.5 0 0 1 7 0v2.5",
  more: "M5.5 12h.1m6.4 0h.1m6.4 0h.1",
  muted: "M4 9.5v5h3.5L12 18.5v-13l-4.5 4H4Zm12 .3 4.5 4.5m0-4.5L16 14.3",
  next: "M5 5.5v13l10-6.5-10-6.5ZM19 5v14",
  pause: "M8 5v14m8-14v14",
  people:
    "M9 11.5a3.25 3.25 0 1 0 0-6.5 3.25 3.25 0 0 0 0 6.5ZM2.8 19c.7-2.9 3.2-4.5 6.2-4.5s5.5 1.6 6.2 4.5M15.5 5.3a3.1 3.1 0 0 1 0 6M18 14.9c1.6.6 2.8 2 3.2 4.1",
  play: "M7.5 4.8v14.4L19 12 7.5 4.8Z",
  previous: "M19 5.5v13L9 12l10-6.5ZM5 5v14",
  queue: "M4 6.5h16M4 12h9.5M4 17.5h9.5m3.5-5 4 2.5-4 2.5v-5Z",
  recognise: "M3.5 12h.1M7.5 9v6M12 4.5v15M16.5 8v8m4-4h-.1",
  repeat: "M4 11.5v-1a4 4 0 0 1 4-4h11m-3-3 3 3-3 3M20 12.5v1a4 4 0 0 1-4 4H5m3 3-3-3 3-3",
  "repeat-one": "M4 11.5v-1a4 4 0 0 1 4-4h11m-3-3 3 3-3 3M20 12.5v1a4 4 0 0 1-4 4H5m3 3-3-3 3-3M11 10.8l1.4-.8v4.4",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13Zm5-1.7L20.5 20",
  shuffle:
    "M4 17.5h2.2a4 4 0 0 0 3.2-1.6l5-7a4 4 0 0 1 3.2-1.6H20m-3-3 3 3-3 3M4 7.3h2.2c1.2 0 2.2.5 3 1.3m4.6 6.4c.9 1.4 2.2 2.5 3.8 2.5H20m-3-3 3 3-3 3",
  theme: "M12 20.5a8.5 8.5 0 1 0 0-17v17Zm0-17a8.5 8.5 0 0 0 0 17",
  trash: "M4.5 6.5h15M9.5 6V4h5v2m-8 .5L7.5 20h9l1-13.5M10.3 10.5v6m3.4-6v6",
  tune: "M5 20v-6m0-4V4m7 16v-9m0-4V4m7 16v-4m0-4V4M2.5 14h5m2-7h5m2 9h5",
  up: "m6 14.5 6-6 6 6",
  upload: "M12 16V4.5m-5 5 5-5 5 5M4.5 15.5v4h15v-4",
  volume: "M4 9.5v5h3.5L12 18.5v-13l-4.5 4H4Zm12-1.2a5 5 0 0 1 0 7.4m2.7-10.2a9 9 0 0 1 0 13",
} as const;

export type IconName = keyof typeof PATHS;

/** A sign beside words, or in a button that has a label: it says nothing to screen readers. */
export function Icon({ name, size = 22 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width={name === "more" ? 2.6 : 1.7}
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The mark of the house: a looking glass over a wave of sound. */
export function Logo({ size = 32 }: { size?: number }) {
  return (
    <svg
      class="logo"
      width={size}
      height={size}
      viewBox="0 0 32 32"
      fill="none"
      stroke-linecap="round"
      aria-hidden="true"
      focusable="false"
    >
      <circle cx="14" cy="14" r="10.5" stroke="currentColor" stroke-width="2.2" />
      <path d="m22 22 6.5 6.5" stroke="var(--accent)" stroke-width="3.4" />
      <path d="M8.7 12.6v2.8M12.2 9.4v9.2M15.8 11v6M19.3 12.4v3.2" stroke="var(--accent)" stroke-width="2.1" />
    </svg>
  );
}
