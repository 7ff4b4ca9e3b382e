/** Prepares one package for npm, as its prepack script: `pack.ts prepare NAME` fills dist and adds the licence. */
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { emitPackages, placePrebuild } from "./emit.ts";

const root = join(import.meta.dirname, "..");

const [command, name = ""] = process.argv.slice(2);
const names = command === "prepare" ? emitPackages() : [];
if (!names.includes(name)) {
  throw new Error(
    `pack.ts: expected "prepare" and one of ${names.join(", ")}; received "${process.argv.slice(2).join(" ")}".`,
  );
}
for (const file of ["LICENSE", "NOTICE"]) copyFileSync(join(root, file), join(root, "packages", name, file));
if (name === "native" && !placePrebuild()) {
  console.error(
    "nagare: warning: the engine is not built on this machine (no C++ compiler?), so this package holds no engine; " +
      "whoever installs it gets the reference backend.",
  );
}
