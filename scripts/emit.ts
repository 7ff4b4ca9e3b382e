/**
 * Emits packages/<name>/dist from packages/<name>/src: JavaScript, declarations and source maps.
 *
 * All packages are one TypeScript program, because the framework names the engine's package (lazily) and the engine
 * the framework's. The compiler therefore writes one tree, build/emit/<name>/src, and this script moves each package's
 * part to its dist and corrects what depends on the place or on the `.ts` suffix.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { scan } from "./lint/scan.ts";

const root = join(import.meta.dirname, "..");
const emitted = join(root, "build/emit");

/**
 * The compiler rewrites `.ts` in import statements, but leaves it in `declare module "./x.ts"` and in
 * `import("./x.ts")` types of declarations, where a consumer, who has only `./x.d.ts`, cannot resolve it.
 */
export function rewriteDeclarationSpecifiers(declarations: string): string {
  const { code, text } = scan(declarations);
  const specifier = /(?:\bfrom\s*|\bimport\s*\(\s*|\bimport\s+|\bdeclare\s+module\s+)(["'])/g;
  let result = "";
  let copied = 0;
  for (const match of code.matchAll(specifier)) {
    const start = match.index + match[0].length;
    const end = text.indexOf(match[1] ?? "", start);
    const path = text.slice(start, end);
    if (!/^\.{1,2}\/.*(?<!\.d)\.ts$/.test(path)) continue;
    result += `${declarations.slice(copied, start)}${path.slice(0, -"ts".length)}js`;
    copied = end;
  }
  return result + declarations.slice(copied);
}

/** Source maps name their sources relative to themselves, and this one moved. */
function moveSourceMap(map: string, from: string, to: string): string {
  const content: { sources: string[] } = JSON.parse(map);
  content.sources = content.sources.map((path) => relative(dirname(to), join(dirname(from), path)));
  return JSON.stringify(content);
}

/** Compiles all packages; throws when the compiler reports errors. Returns the names of the packages' folders. */
export function emitPackages(): string[] {
  rmSync(emitted, { recursive: true, force: true });
  const { status, error } = spawnSync(
    process.execPath,
    [join(root, "node_modules/typescript/bin/tsc"), "--project", "tsconfig.build.json"],
    { cwd: root, stdio: "inherit" },
  );
  if (error) throw error;
  if (status !== 0) throw new Error(`tsc: expected exit code 0; received ${status}. Its messages are above.`);
  const names = readdirSync(emitted).sort();
  for (const name of names) {
    const dist = join(root, "packages", name, "dist");
    rmSync(dist, { recursive: true, force: true });
    const source = join(emitted, name, "src");
    for (const file of readdirSync(source, { recursive: true, encoding: "utf8" })) {
      const [from, to] = [join(source, file), join(dist, file)];
      if (!/\.(?:js|ts|map)$/.test(file)) continue;
      mkdirSync(dirname(to), { recursive: true });
      const content = readFileSync(from, "utf8");
      if (file.endsWith(".map")) writeFileSync(to, moveSourceMap(content, from, to));
      else if (file.endsWith(".d.ts")) writeFileSync(to, rewriteDeclarationSpecifiers(content));
      else writeFileSync(to, content);
    }
  }
  rmSync(emitted, { recursive: true, force: true });
  return names;
}

/** Puts the engine that was built for this machine where the published package looks for it. */
export function placePrebuild(): string | undefined {
  const platform = `${process.platform}-${process.arch}`;
  const built = join(root, "packages/native/build", platform, "nagare.node");
  const prebuilds = join(root, "packages/native/prebuilds", platform);
  rmSync(prebuilds, { recursive: true, force: true });
  if (!existsSync(built)) return undefined;
  mkdirSync(prebuilds, { recursive: true });
  cpSync(built, join(prebuilds, "nagare.node"));
  return relative(root, prebuilds);
}
