// How are the pages built, and served while one works on them?
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const service = process.env.TUNESCOUT_URL ?? "http://127.0.0.1:8000";
const builtTo = "../services/gateway/static";

/** Lays a smaller copy beside each text, so that the gateway compresses nothing while it serves. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    writeBundle() {
      for (const name of readdirSync(builtTo, { recursive: true, encoding: "utf8" })) {
        if (!/\.(js|css|svg|html|webmanifest)$/.test(name)) continue;
        const path = join(builtTo, name);
        const content = readFileSync(path);
        writeFileSync(`${path}.br`, brotliCompressSync(content));
        writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  plugins: [compressed()],
  build: { outDir: builtTo, emptyOutDir: true, target: "es2022", manifest: true, assetsInlineLimit: 0 },
  server: {
    // The service must see its own origin, or it takes requests with the session's cookie for those of a foreign page.
    proxy: Object.fromEntries(
      ["/v1", "/blobs"].map((path) => [path, { target: service, changeOrigin: true, headers: { origin: service } }]),
    ),
  },
});
