// How is something done on a press, once at a time, with its failure shown? `const save = useAction(async () => …)`.
import { useRef, useState } from "preact/hooks";
import { asProblem, type ProblemError } from "../api/problems";

export interface Action<A extends unknown[]> {
  run: (...args: A) => Promise<void>;
  isBusy: boolean;
  problem: ProblemError | null;
}

export function useAction<A extends unknown[]>(act: (...args: A) => Promise<void>): Action<A> {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ProblemError | null>(null);
  const isRunning = useRef(false);
  const run = async (...args: A) => {
    if (isRunning.current) return;
    isRunning.current = true;
    setBusy(true);
    setProblem(null);
    try {
      await act(...args);
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      isRunning.current = false;
      setBusy(false);
    }
  };
  return { run, isBusy, problem };
}
