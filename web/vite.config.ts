import { defineConfig, type Plugin } from "vite";

/**
 * Makes files of the images that style sheets carry as `data:` URLs: the pages' content security policy
 * lets images come from the server only.
 */
function imagesAsFiles(): Plugin {
  const image = /url\("data:image\/svg\+xml;charset=utf-8,([^"]+)"\)/g;
  return {
    name: "images-as-files",
    enforce: "pre",
    transform(code, id) {
      if (!/\.css(\?|$)/.test(id) || this.environment.mode !== "build") {
        return undefined;
      }
      return code.replace(image, (_, svg: string) => {
        const file = this.emitFile({
          type: "asset",
          name: "image.svg",
          source: decodeURIComponent(svg),
        });
        return `url("__VITE_ASSET__${file}__")`;
      });
    },
  };
}

export default defineConfig({
  // Where the server has the files; see crates/twinfs-server/src/page/assets.rs.
  base: "/assets/",
  plugins: [imagesAsFiles()],
  build: {
    assetsDir: "",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: "src/main.ts",
      // What the pages link to. The rest is named by a hash of its content.
      output: { entryFileNames: "main.js" },
    },
    target: "es2022",
  },
});
