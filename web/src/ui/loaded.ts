// How does a page get what it shows? `const songs = useLoaded(() => answer(api.GET("/v1/songs")), [query])`.
import { useCallback, useEffect, useState } from "preact/hooks";
import { asProblem, type ProblemError } from "../api/problems";

export interface Loaded<T> {
  /** What came last; it stays while the next is on its way. */
  value: T | null;
  problem: ProblemError | null;
  isLoading: boolean;
  reload: () => void;
}

/** Load when the page opens and whenever one of `inputs` changes; a late answer to an old request is dropped. */
export function useLoaded<T>(load: () => Promise<T>, inputs: readonly unknown[]): Loaded<T> {
  const [round, setRound] = useState(0);
  const [value, setValue] = useState<T | null>(null);
  const [problem, setProblem] = useState<ProblemError | null>(null);
  const [isLoading, setLoading] = useState(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the caller names what it depends on.
  useEffect(() => {
    let isCurrent = true;
    setLoading(true);
    load()
      .then(
        (loaded) => {
          if (!isCurrent) return;
          setValue(loaded);
          setProblem(null);
        },
        (error) => isCurrent && setProblem(asProblem(error)),
      )
      .finally(() => isCurrent && setLoading(false));
    return () => {
      isCurrent = false;
    };
  }, [round, ...inputs]);
  const reload = useCallback(() => setRound((before) => before + 1), []);
  return { value, problem, isLoading, reload };
}
