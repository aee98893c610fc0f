// Puts the demo page's files, which the compiler leaves where they are, beside the compiled demo.
import { cpSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../cluster/demo/page", import.meta.url));
const target = fileURLToPath(new URL("../dist/cluster/demo/page", import.meta.url));
rmSync(target, { recursive: true, force: true });
cpSync(source, target, { recursive: true });
