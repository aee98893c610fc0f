// Puts the demo page's files, which the compiler leaves where they are, beside the compiled demo.
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../cluster/demo/page", import.meta.url));
const target = fileURLToPath(new URL("../dist/cluster/demo/page", import.meta.url));
rmSync(target, { recursive: true, force: true });
cpSync(source, target, { recursive: true });

// The client too: it is a dependency of development only, and an image without those had a page that did nothing. Its
// license asks for the whole notice beside each copy. Its source map is not copied.
const client = dirname(createRequire(import.meta.url).resolve("engine.io-client/package.json"));
const bundle = readFileSync(join(client, "dist/engine.io.min.js"), "utf8");
writeFileSync(join(target, "engine.io.js"), bundle.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n"));
cpSync(join(client, "LICENSE"), join(target, "engine.io.LICENSE"));
