// Where do unit tests run? In a document without a browser; what needs a real one is in ../tests/e2e.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}"], pool: "threads" },
});
