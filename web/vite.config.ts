import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";
import { readCatalogue } from "./po.ts";

/** `import catalogue from "../po/zh-Hans.po"` */
function gettext(): Plugin {
  return {
    name: "gettext",
    transform(source, id) {
      if (!id.endsWith(".po")) return null;
      return { code: `export default ${JSON.stringify(readCatalogue(source))}`, map: null, moduleType: "js" };
    },
  };
}

export default defineConfig({
  base: "./",
  plugins: [react(), gettext()],
  build: {
    outDir: "../data/web",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
    reportCompressedSize: false,
  },
  test: { environment: "jsdom", include: ["test/**/*.test.ts?(x)"], css: false, server: { deps: { inline: [/@patternfly/] } } },
});
