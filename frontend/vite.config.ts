import { readFileSync } from "node:fs";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";
import { lookPlugin } from "./look.ts";

const look = JSON.parse(readFileSync(new URL("../src/automl_vision/charts/look.json", import.meta.url), "utf8"));

export default defineConfig({
  base: "./", // the server may show the studio under any path
  plugins: [react(), lookPlugin(look)],
  build: {
    outDir: "../src/automl_vision/studio/static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false }, // its inline script would break the content security policy
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
  },
  server: { proxy: { "/api": "http://127.0.0.1:8787", "/charts": "http://127.0.0.1:8787" } },
  // one browser for all files: making it 16 times took 11 of 14 seconds
  test: { environment: "jsdom", include: ["src/**/*.test.{ts,tsx}"], isolate: false },
});
