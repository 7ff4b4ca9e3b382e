/** Lints the repository: Biome, the import rules, the contents policy, and the types. Prints every problem. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Manifest } from "./imports.ts";
import { checkImports, checkVersions } from "./imports.ts";
import { checkPolicy } from "./policy.ts";

const root = join(import.meta.dirname, "../..");
const generated = new Set(["node_modules", "dist", "build", "prebuilds", ".git", ".cache"]);
const textFile = /\.(?:ts|mts|js|mjs|cjs|cpp|h|py|sh|md|json|jsonc|yml|yaml)$|^run$/;

/** The repository's text files, by path relative to its root. */
function readRepository(folder = ""): Map<string, string> {
  const files = new Map<string, string>();
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory() && !generated.has(entry.name)) {
      for (const [file, content] of readRepository(path)) files.set(file, content);
    } else if (entry.isFile() && textFile.test(entry.name) && entry.name !== "package-lock.json") {
      files.set(path, readFileSync(join(root, path), "utf8"));
    }
  }
  return files;
}

function lintRepository(): boolean {
  const files = readRepository();
  const scripts = new Map([...files].filter(([file]) => /\.(?:ts|mts|js|mjs|cjs)$/.test(file)));
  const manifests = new Map<string, Manifest>();
  for (const [file, content] of files) {
    const folder = /^(?:(.+)\/)?package\.json$/.exec(file);
    if (folder) manifests.set(folder[1] ?? "", JSON.parse(content));
  }
  const problems = [...checkImports(scripts, manifests), ...checkVersions(manifests), ...checkPolicy(files)];
  for (const { file, line, message } of problems) console.log(`${file}:${line}: ${message}`);
  console.log(`imports and contents: ${files.size} files, ${problems.length} problems`);
  return problems.length === 0;
}

/** Runs one of the tools in node_modules with this Node; true when it found nothing. */
function tool(label: string, file: string, ...arguments_: string[]): boolean {
  const { status, error } = spawnSync(process.execPath, [join(root, "node_modules", file), ...arguments_], {
    cwd: root,
    stdio: "inherit",
  });
  if (error) throw error;
  console.log(`${label}: ${status === 0 ? "no problems" : "problems, see above"}`);
  return status === 0;
}

const results = [
  tool("biome", "@biomejs/biome/bin/biome", "check", "--error-on-warnings", "."),
  lintRepository(),
  tool("types", "typescript/bin/tsc", "--noEmit", "--pretty", String(process.stdout.isTTY === true)),
];
process.exitCode = results.every((clean) => clean) ? 0 : 1;
