// Which songs are there?
import { answer, api } from "../../api/client";
import { Page } from "../../shell/page";
import { Icon } from "../../ui/icon";
import { useLoaded } from "../../ui/loaded";
import { EmptyState, ProblemNote } from "../../ui/notice";
import { Skeleton } from "../../ui/waiting";
import "./library.css";

export default function Library() {
  const { value, problem, isLoading, reload } = useLoaded(() => answer(api.GET("/v1/songs")), []);
  return (
    <Page title="Library">
      <ProblemNote problem={problem} onRetry={reload} />
      {isLoading && !value && [0, 1, 2, 3, 4, 5].map((row) => <Skeleton key={row} height="4rem" />)}
      {value?.songs.length === 0 && (
        <EmptyState icon="cover" title="No songs yet">
          <p>Songs that you upload, and songs that others share with everybody here, appear in this place.</p>
        </EmptyState>
      )}
      {value && value.songs.length > 0 && (
        <ul class="song-list">
          {value.songs.map((song) => (
            <li key={song.id}>
              <span class="song-cover">
                <Icon name="cover" />
              </span>
              <span class="song-words">
                <strong>{song.title}</strong>
                <span>{[song.artist, song.album].filter(Boolean).join(" · ")}</span>
              </span>
              <span class="song-length">{song.duration_s !== null && minutes(song.duration_s)}</span>
            </li>
          ))}
        </ul>
      )}
    </Page>
  );
}

function minutes(duration_s: number): string {
  const whole = Math.round(duration_s);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
